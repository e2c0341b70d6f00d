"""Renderers that each break one rule of the contract, made from the example, which keeps all of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import torch

from examples.sine_renderer import render as good

if TYPE_CHECKING:
    from common.music_schema import MusicConfig

Configs = list["MusicConfig"]
_calls: list[torch.Tensor] = []


def mono(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how)[:, :1]


def double(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how).double()


def loud(configs: Configs, **how: Any) -> torch.Tensor:
    return 5 * good(configs, **how)


def undefined(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how).sqrt()


def offset(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how) + 0.01


def silent(configs: Configs, **how: Any) -> torch.Tensor:
    sound = good(configs, **how)
    quiet = torch.tensor([config.melody == "heroic" for config in configs])
    return torch.where(quiet[:, None, None], 0.0, sound)


def same_for_all(configs: Configs, **how: Any) -> torch.Tensor:
    return good([configs[0].model_copy(update={"root": "c"})] * len(configs), **how).clone()


def globally_random(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how) * (0.5 + 0.5 * random.random())


def reseeding(configs: Configs, **how: Any) -> torch.Tensor:
    torch.manual_seed(how["seed"])
    return good(configs, **how) + 0.001 * torch.randn(1, 2, 1)


def salted(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how) * (0.5 + (hash("vibe") % 1000) / 2000)


def normalized_over_the_batch(configs: Configs, **how: Any) -> torch.Tensor:
    sound = good(configs, **how)
    return 0.5 * sound / sound[0].abs().max()


def louder_in_company(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how) * min(1.0, 0.3 + 0.1 * len(configs))


def always_one_second(configs: Configs, **how: Any) -> torch.Tensor:
    return good(configs, **how | {"seconds": 1.0})


def deaf_to_the_rate(configs: Configs, **how: Any) -> torch.Tensor:
    samples = round(how["seconds"] * how["sample_rate"])
    return good(configs, **how | {"sample_rate": 48_000, "seconds": samples / 48_000})


def refusing_large_seeds(configs: Configs, **how: Any) -> torch.Tensor:
    if how["seed"] > 1000:
        raise OverflowError("seed too\nlarge")
    return good(configs, **how)


def emptying(configs: Configs, **how: Any) -> torch.Tensor:
    sound = good(configs, **how)
    configs.reverse()
    return sound


def reusing_memory(configs: Configs, **how: Any) -> torch.Tensor:
    sound = good(configs, **how)
    for kept in _calls:
        if kept.shape == sound.shape:
            return kept.copy_(sound)
    _calls.append(sound)
    return sound
