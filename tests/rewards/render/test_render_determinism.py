"""A config's samples are bit-equal whatever batch they are rendered in."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import torch

from common.random_configs import random_config
from rewards.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 0.75
CONFIGS = [random_config(random.Random(40 + index)) for index in range(9)]


@pytest.fixture(params=[1, 2], ids=["one_thread", "two_threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_samples_do_not_depend_on_batch_size_or_order(threads: int) -> None:
    alone = [render([config], seconds=SECONDS)[0] for config in CONFIGS]
    rng = random.Random(7)
    # Two threads on a loaded machine wait for each other: three sizes show as much as nine.
    for size in range(1, 10) if threads == 1 else (1, 4, 9):
        order = rng.sample(range(9), size)
        batch = render([CONFIGS[index] for index in order], seconds=SECONDS)
        for place, index in enumerate(order):
            assert torch.equal(batch[place], alone[index]), (threads, size, place)


def test_many_permutations_of_one_batch_agree(threads: int) -> None:
    whole = render(CONFIGS[:5], seconds=1.0)
    rng = random.Random(threads)
    for _ in range(6 if threads == 1 else 2):
        order = rng.sample(range(5), 5)
        assert torch.equal(render([CONFIGS[index] for index in order], seconds=1.0), whole[order])


def test_the_same_config_twice_in_a_batch_is_the_same_sound() -> None:
    twice = render([CONFIGS[0], CONFIGS[1], CONFIGS[0]], seconds=SECONDS)
    assert torch.equal(twice[0], twice[2])


def test_rendering_leaves_and_needs_no_global_random_state() -> None:
    torch.manual_seed(1)
    first = render(CONFIGS[:1], seconds=SECONDS)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, render(CONFIGS[:1], seconds=SECONDS))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_another_seed_is_another_sound() -> None:
    loud = [c.model_copy(update={"density": 6, "space": "large"}) for c in CONFIGS[:1]]
    assert not torch.equal(render(loud, seconds=SECONDS), render(loud, seconds=SECONDS, seed=1))
