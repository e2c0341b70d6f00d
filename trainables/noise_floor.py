"""Measure how far scores move without a reason: decoding seeds, render seeds, CLAP's numerics."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from common.errors import TrialError
from common.noise_floor import NoiseFloor, NoiseFloorKey
from common.objective import objective_value
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import Scorer, audio_backend
from trainables.chat import PromptFormat
from trainables.policy import load_policy
from trainables.sampling import sample_completions, stream_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from common.music_schema import MusicConfig
    from common.objective import ObjectiveConfig
    from common.training_config import TrainingConfig
    from trainables.data import VibeRow

__all__ = ["measure_noise_floor"]

_MICROBATCHES: Final = (1, 3, 16)
_THREADS: Final = (1, 2)


def measure_noise_floor(
    config: TrainingConfig,
    objective: ObjectiveConfig,
    vibes: Sequence[VibeRow],
    *,
    decoding_seeds: int,
    render_seeds: int,
    clips: int,
    say: Callable[[str], None],
) -> NoiseFloor:
    """Measure the noise floor of an evaluation.

    Args:
        config: whose untrained policy writes the completions, under its system prompt.
        objective: the evaluation.
        vibes: at least two held-out vibes.
        decoding_seeds: at least two, of the untrained policy's completions.
        render_seeds: at least two.
        clips: random configs that render seeds and numerics are measured on, at least two.
        say: told what is measured next.

    Raises:
        UserError: the model, the scorer or the renderer cannot be loaded.
        TrialError: a completion could not be scored.
    """
    scorer = _scorer(objective.scorer)
    say(f"decoding: {len(vibes)} vibes with {decoding_seeds} seeds")
    written = _objectives(config, objective, vibes, decoding_seeds, scorer)
    configs = [random_config(random.Random(f"noise floor {number}")) for number in range(clips)]
    texts = [vibes[number % len(vibes)].reference for number in range(clips)]

    def audio(**changes: object) -> npt.NDArray[np.float64]:
        settings = objective.scorer.model_dump() | changes
        return _audio(ClapScorerConfig.model_validate(settings), texts, configs)

    say(f"rendering: {clips} configs with {render_seeds} seeds")
    first = objective.scorer.render_seed
    rendered = np.stack([audio(render_seed=first + number) for number in range(render_seeds)])
    say("numerics: other microbatches and threads")
    sizes = [size for size in _MICROBATCHES if size != objective.scorer.microbatch]
    by_size = np.stack([audio(microbatch=size) for size in sizes])
    by_threads = np.stack([_with_threads(number, audio) for number in _THREADS])
    return NoiseFloor(
        key=NoiseFloorKey.of(config.base_model, objective),
        scorer_id=scorer.scorer_id,
        renderer_id=scorer.renderer_id,
        num_vibes=len(vibes),
        num_decoding_seeds=decoding_seeds,
        num_render_seeds=render_seeds,
        num_clips=clips,
        objective_decoding=_within(written),
        objective_vibes=_between(written),
        audio_render=_within(rendered),
        audio_configs=_between(rendered),
        numerics_microbatch=float(np.abs(by_size - rendered[0]).max()),
        numerics_threads=float(np.ptp(by_threads, axis=0).max()),
    )


def _scorer(clap: ClapScorerConfig) -> Scorer:
    return Scorer(audio_backend("clap", clap, None))


def _objectives(
    config: TrainingConfig,
    objective: ObjectiveConfig,
    vibes: Sequence[VibeRow],
    num_seeds: int,
    scorer: Scorer,
) -> npt.NDArray[np.float64]:
    """[decoding seeds, vibes] objectives of the untrained policy."""
    policy = load_policy(config.base_model)
    form = PromptFormat.of(policy.tokenizer, config.system_prompt)
    prompts = [form.token_ids(vibe.prompt) for vibe in vibes]
    rows = []
    for seed in range(objective.decoding_seed, objective.decoding_seed + num_seeds):
        sampled = sample_completions(
            policy,
            prompts,
            [stream_seed(seed, vibe.prompt_id, 0) for vibe in vibes],
            temperature=objective.temperature,
            max_completion_length=objective.max_completion_length,
            batch_size=objective.batch_size,
        )
        scores = scorer.score([vibe.reference for vibe in vibes], [drawn.text for drawn in sampled])
        row = []
        for score in scores:
            if score.format is None or score.schema is None:
                raise TrialError(f"a noise floor needs every score, got none for one: {score.unscored}")
            row.append(objective_value(score.format, score.schema, score.audio, objective))
        rows.append(row)
    return np.array(rows)


def _audio(
    clap: ClapScorerConfig, vibes: Sequence[str], configs: Sequence[MusicConfig]
) -> npt.NDArray[np.float64]:
    """[configs] audio scores by these settings; what scorers share is equal bit by bit."""
    backend = audio_backend("clap", clap, None)
    assert backend is not None
    scores = []
    for result in backend.audio(vibes, configs):
        if result.score is None:
            raise TrialError(f"a noise floor needs every score, got none for one: {result.reason}")
        scores.append(result.score)
    return np.array(scores)


def _with_threads(number: int, audio: Callable[[], npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        return audio()
    finally:
        torch.set_num_threads(before)


def _within(scores: npt.NDArray[np.float64]) -> float:
    """Standard deviation over the draws, [draws, things], around each thing's own mean."""
    return float(scores.var(axis=0, ddof=1).mean() ** 0.5)


def _between(scores: npt.NDArray[np.float64]) -> float:
    """Standard deviation between the things' means, without what the draws' own spread explains."""
    explained = float(scores.var(axis=0, ddof=1).mean()) / len(scores)
    return float(max(0.0, float(scores.mean(axis=0).var(ddof=1)) - explained) ** 0.5)
