"""Knobs of the reward, seen in the reward that TRL logs, and in what the CLAP scorer renders and hears."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from common.errors import TrialError, UserError
from common.music_schema import MusicConfig
from common.training_config import PROJECT_ROOT
from rewards.backends import audio_backend
from rewards.clap.cache import EmbeddingCaches
from rewards.clap.scoring import ClapScorer
from rewards.components import Components
from rewards.scorer import Scorer
from tests.trainables.knobs.bench import Bench, FixedScorer, Knob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.training_config import TrainingConfig

__all__ = ["KNOBS", "five", "recording", "seven"]

CALLS: list[dict[str, Any]] = []
"""What the recording renderer was called with."""


def recording(configs: Sequence[MusicConfig], **how: Any) -> torch.Tensor:
    """A renderer that says how it was called, and makes a quiet buzz."""
    CALLS.append(how)
    samples = int(how["seconds"] * how["sample_rate"])
    buzz = 0.01 * torch.sign(torch.sin(0.05 * torch.arange(samples)))
    return buzz.expand(len(configs), 2, samples)


def five(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
    """A custom scorer."""
    return [5.0] * len(configs)


def seven(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
    """Another."""
    return [7.0] * len(configs)


def a_payload() -> str:
    line = (PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().partition("\n")[0]
    return str(json.loads(line)["config_payload"])


def a_config() -> MusicConfig:
    return MusicConfig.model_validate(json.loads(a_payload())["config"])


def reward_of(audio: float | None) -> Any:
    """The reward that TRL logs where every completion has format 1, schema 0.5 and this audio component."""

    def observe(bench: Bench, config: TrainingConfig) -> float:
        seen = bench.steps(config, FixedScorer(audio), key=f"audio {audio}")
        (reward,) = {report.reward for report in seen.reports if report.reward is not None}
        return round(reward, 6)

    return observe


def components(bench: Bench, config: TrainingConfig) -> str:
    return ", ".join(bench.trainer(config).reward_func_names)


def custom_audio(bench: Bench, config: TrainingConfig) -> float | None:
    reward = config.grpo.reward
    backend = audio_backend(reward.reward_type, reward.clap, reward.custom_scorer_path)
    return Scorer(backend).score(["a vibe"], [a_payload()])[0].audio


class _OneMissing(Scorer):
    """One of four completions cannot be scored."""

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        return [Components.missing("lost"), *super().score(vibes, completions)[1:]]


def outcome_with_one_missing(bench: Bench, config: TrainingConfig) -> str:
    try:
        bench.steps(config, _OneMissing(None), key="one missing")
    except TrialError as error:
        return str(error).partition(",")[0]
    return "finished"


def clap(bench: Bench, config: TrainingConfig) -> ClapScorer:
    """The scorer, without what was heard before; `copied` is the tiny CLAP with other weights."""
    settings = config.grpo.reward.clap
    if settings.model == "copied":
        settings = settings.model_copy(update={"model": str(_copied(bench.folder / "clap"))})
    return ClapScorer(settings, EmbeddingCaches())


def _copied(folder: Path) -> Path:
    if not folder.is_dir():
        folder.mkdir()
        for path in (PROJECT_ROOT / "tiny/weights/clap").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        weights = load_file(folder / "model.safetensors")
        others = {name: weight * 1.1 for name, weight in weights.items()}
        save_file(others, folder / "model.safetensors", {"format": "pt"})
    return folder


def loaded(bench: Bench, config: TrainingConfig) -> str:
    """Which weights, or why there are none."""
    try:
        return clap(bench, config).clap.weights_hash
    except UserError as error:
        return "refused: " + next(word for word in ("laion-clap", "device") if word in str(error))


def score(bench: Bench, config: TrainingConfig) -> float:
    return round(clap(bench, config)(["late night neon"], [a_config()])[0], 4)


def score_as_noise(bench: Bench, config: TrainingConfig) -> float:
    """The score of music for a vibe that it does not fit; it is worse where its own vibe is a bad sound."""
    return round(clap(bench, config)(["noise"], [a_config()])[0], 4)


def rendered_with(name: str) -> Any:
    """What the renderer is called with."""

    def observe(bench: Bench, config: TrainingConfig) -> Any:
        CALLS.clear()
        clap(bench, config)(["late night neon"], [a_config()])
        return CALLS[0][name]

    return observe


def clips_of_a_pass(bench: Bench, config: TrainingConfig) -> int:
    scorer, shapes = clap(bench, config), []
    model: Any = scorer.clap
    model.model.audio_model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(len(kwargs.get("input_features", args[0] if args else ()))),
        with_kwargs=True,
    )
    scorer(["late night neon"], [a_config()])
    return int(shapes[0])


class _Anything:
    """Equal to everything: only that the cases differ is asked."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # compared only


DIFFERS = _Anything()
CLAP = {"grpo.reward.reward_type": "clap"}
RECORDED = CLAP | {"grpo.reward.clap.renderer": f"{__name__}:recording"}
WEIGHTS = "grpo.reward.weights"

KNOBS = {
    "grpo.reward.reward_type": Knob(
        components, [("schema_only", "format, schema"), ("clap", "format, schema, audio")]
    ),
    # 0.2 * 1 + 0.3 * 0.5 + 0.5 * 0.25 with the guide's weights.
    f"{WEIGHTS}.format_weight": Knob(reward_of(0.25), [(0.2, 0.475), (1.0, 1.275)], CLAP),
    f"{WEIGHTS}.schema_weight": Knob(reward_of(0.25), [(0.3, 0.475), (0.0, 0.325)], CLAP),
    f"{WEIGHTS}.audio_weight": Knob(reward_of(0.25), [(0.5, 0.475), (0.9, 0.575)], CLAP),
    # What cannot be rendered: 0.2 + 0.15 + 0.5 * the floor.
    "grpo.reward.audio_floor": Knob(reward_of(None), [(-1.0, -0.15), (0.0, 0.35)], CLAP),
    "grpo.reward.custom_scorer_path": Knob(
        custom_audio, [(f"{__name__}:five", 5.0), (f"{__name__}:seven", 7.0)],
        {"grpo.reward.reward_type": "custom"},
    ),
    "grpo.reward.max_unscored_share": Knob(
        outcome_with_one_missing, [(0.25, "finished"), (0.2, "step 0: 1 rollouts are unscored")]
    ),
    "grpo.reward.clap.backend": Knob(
        loaded, [("transformers", DIFFERS), ("laion-clap", "refused: laion-clap")],
        CLAP | {"grpo.reward.clap.model": "copied"},
    ),
    "grpo.reward.clap.model": Knob(loaded, [("tiny", DIFFERS), ("copied", DIFFERS)], CLAP),
    "grpo.reward.clap.renderer": Knob(
        score, [("rewards.render:render", DIFFERS), (f"{__name__}:recording", DIFFERS)], CLAP
    ),
    "grpo.reward.clap.seconds": Knob(rendered_with("seconds"), [(10.0, 10.0), (20.0, 20.0)], RECORDED),
    "grpo.reward.clap.render_seed": Knob(rendered_with("seed"), [(0, 0), (5, 5)], RECORDED),
    "grpo.reward.clap.microbatch": Knob(clips_of_a_pass, [(8, 8), (2, 2)], RECORDED),
    "grpo.reward.clap.bad_sounds": Knob(
        score_as_noise, [(("noise",), DIFFERS), (("music for working in the garage",), DIFFERS)], CLAP
    ),
    "grpo.reward.clap.device": Knob(loaded, [("cpu", DIFFERS), ("nowhere", "refused: device")], CLAP),
}  # fmt: skip
