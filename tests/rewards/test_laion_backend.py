"""CLAP by laion-clap: with the same weights it hears and reads what transformers does."""

from __future__ import annotations

import random
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from huggingface_hub import constants

from common.errors import UserError
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards.clap import ClapBackend, ClapScorer, load_clap
from rewards.clap.laion_backend import LaionClap, load_laion
from rewards.render import render
from tests.rewards.laion_weights import LEFT_OVER, make_hub, save_laion, save_twin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("laion_clap") is None, reason="needs vibesweep[laion-clap]: make test-laion-clap"
)

CPU = torch.device("cpu")
SAMPLES = 480_000
TEXTS = ("late night neon glow", "rain", "", "\u96e8 \U0001f327", "a long walk " * 40)


class Twins(NamedTuple):
    """The same random weights in both libraries' formats."""

    laion: Path
    transformers: Path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model hub's cache that is all there is: no network, and nothing of this machine's own cache."""
    folder = tmp_path_factory.mktemp("hub")
    make_hub(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(folder))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield folder


@pytest.fixture(scope="module")
def weights(hub: Path) -> dict[str, torch.Tensor]:
    """Random weights, far enough from laion-clap's initial ones that clips differ."""
    import laion_clap  # noqa: PLC0415  (asks the hub when imported)

    torch.manual_seed(1)
    model = laion_clap.CLAP_Module(enable_fusion=False, device=CPU, amodel="HTSAT-tiny").model
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and not LEFT_OVER.match(name):
                parameter.mul_(3)
        model.audio_branch.bn0.running_mean.uniform_(-40, -20)
        model.audio_branch.bn0.running_var.uniform_(100, 400)
    return dict(model.state_dict())


@pytest.fixture(scope="module")
def twins(hub: Path, weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Twins:
    folder = tmp_path_factory.mktemp("twins")
    found = Twins(folder / "random.pt", folder / "random")
    save_laion(weights, found.laion)
    save_twin(weights, hub, found.transformers)
    return found


@pytest.fixture(scope="module")
def laion(twins: Twins) -> LaionClap:
    return load_laion(str(twins.laion), CPU)


@pytest.fixture(scope="module")
def transformers(twins: Twins) -> ClapBackend:
    return load_clap(twins.transformers, CPU)


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    """[4, SAMPLES] mono: two rendered configs, noise that clips, a quiet tone."""
    configs = [random_config(random.Random(seed)) for seed in (3, 4)]
    music = render(configs, seconds=10.0, sample_rate=48_000).mean(dim=1)
    noise = 0.7 * torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0))
    tone = 1e-3 * torch.sin(2 * torch.pi * 440 * torch.arange(SAMPLES, dtype=torch.float64) / 48_000)
    return torch.stack([*music, noise, tone.float()])


def require_agreement(one: torch.Tensor, other: torch.Tensor) -> None:
    """Rows of [N, D] agree with those of the other, and differ from each other by far more."""
    one, other = one.double(), other.double()
    torch.testing.assert_close(one.norm(dim=1), torch.ones(len(one), dtype=torch.float64), atol=1e-6, rtol=0)
    same = 1 - (one * other).sum(dim=1)
    different = 1 - (one @ other.T)[~torch.eye(len(one), dtype=torch.bool)]
    assert same.max() <= 1e-5  # 2e-7 where it was measured
    assert different.min() >= 1000 * same.max()


def test_both_backends_hear_the_same(
    laion: LaionClap, transformers: ClapBackend, clips: torch.Tensor
) -> None:
    assert (laion.sample_rate, laion.window_samples) == (48_000, SAMPLES)
    assert (transformers.sample_rate, transformers.window_samples) == (48_000, SAMPLES)
    require_agreement(laion.embed_windows(clips), transformers.embed_windows(clips))


def test_both_backends_read_the_same(laion: LaionClap, transformers: ClapBackend) -> None:
    require_agreement(
        torch.stack([laion.embed_text(text) for text in TEXTS]),
        torch.stack([transformers.embed_text(text) for text in TEXTS]),
    )


def test_the_embeddings_are_those_of_laions_own_methods(
    laion: LaionClap, clips: torch.Tensor, twins: Twins, hub: Path
) -> None:
    import laion_clap  # noqa: PLC0415

    theirs = laion_clap.CLAP_Module(enable_fusion=False, device=CPU, amodel="HTSAT-tiny")
    theirs.model.load_state_dict(laion.model.state_dict())
    theirs.eval()
    # The steps of `get_audio_embedding_from_data`, which in 1.1.2 also computes what only fused models hear.
    hook = sys.modules[laion_clap.CLAP_Module.__module__]
    features = [
        hook.get_audio_features(
            {},
            torch.from_numpy(hook.int16_to_float32(hook.float32_to_int16(clip.numpy()))),
            SAMPLES,
            data_truncating="rand_trunc",
            data_filling="repeatpad",
            audio_cfg=theirs.model_cfg["audio_cfg"],
        )
        for clip in clips
    ]
    with torch.inference_mode():
        heard = theirs.model.get_audio_embedding(features)
    require_agreement(laion.embed_windows(clips), heard)
    read = torch.from_numpy(theirs.get_text_embedding(list(TEXTS)))
    require_agreement(torch.stack([laion.embed_text(text) for text in TEXTS]), read)


def scorer(twins: Twins, backend: str, **settings: Any) -> ClapScorer:
    model = twins.laion if backend == "laion-clap" else twins.transformers
    values = {"backend": backend, "model": str(model), "microbatch": 2, "device": "cpu"}
    return ClapScorer(ClapScorerConfig.model_validate(values | settings))


def test_scores_agree_and_ids_name_the_backend(twins: Twins) -> None:
    vibes, configs = ["neon", "rain"], [random_config(random.Random(seed)) for seed in (5, 6)]
    one, other = scorer(twins, "laion-clap"), scorer(twins, "transformers")
    assert one(vibes, configs) == pytest.approx(other(vibes, configs), abs=1e-4)
    assert one.scorer_id.startswith("clap:laion-clap:random.pt:")
    assert other.scorer_id.startswith("clap:transformers:random:")
    assert one.renderer_id == other.renderer_id


def test_a_score_is_bit_equal_alone_and_in_a_batch(twins: Twins) -> None:
    vibes, configs = ["neon", "rain", "dusk"], [random_config(random.Random(seed)) for seed in range(3)]
    together = scorer(twins, "laion-clap")(vibes, configs)
    assert len(set(together)) == 3
    assert scorer(twins, "laion-clap")(vibes[1:2], configs[1:2]) == together[1:2]


def test_another_length_than_whole_windows_is_refused(laion: LaionClap) -> None:
    with pytest.raises(ValueError, match=r"windows must be \[B, 480000\], got \[2, 1000\]"):
        laion.embed_windows(torch.zeros(2, 1000))


def test_a_bare_state_dict_is_the_same_checkpoint(
    laion: LaionClap, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "bare.pt")
    assert load_laion(str(tmp_path / "bare.pt"), CPU).weights_hash == laion.weights_hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio_projection.0.bias": None}, r"without 1, the first audio_projection\.0\.bias"),
        ({"extra.bias": torch.zeros(1)}, r"with the unknown 1, the first extra\.bias"),
        ({"text_projection.0.weight": torch.zeros(512, 512)}, r"shapes of .*text_projection\.0\.weight"),
    ],
)
def test_weights_of_another_model_are_refused(
    weights: dict[str, torch.Tensor], tmp_path: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    changed = {key: value for key, value in (weights | change).items() if value is not None}
    torch.save(changed, tmp_path / "changed.pt")
    with pytest.raises(UserError, match=message) as caught:
        load_laion(str(tmp_path / "changed.pt"), CPU)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_its_words_is_refused(
    twins: Twins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_hub(tmp_path, with_tokenizers=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=r"must have roberta-base's tokenizer of 261 tokens .* got one of \d"
    ) as caught:
        load_laion(str(twins.laion), CPU)
    assert "\n" not in str(caught.value)


def test_a_hub_cache_without_the_text_tower_is_refused(
    twins: Twins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"must find roberta-base.*load them once with a network") as caught:
        load_laion(str(twins.laion), CPU)
    assert "\n" not in str(caught.value)
