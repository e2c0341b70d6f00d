"""Baselines for which no policy writes, evaluated like a policy's completions.

Random valid payloads know nothing: they show what keeping the contract is worth by itself. The corpus's
payload of the nearest vibe knows everything that SFT could copy, and makes up nothing.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from common.music_schema import NUM_COLORS, NUM_PALETTES, WEIGHTS, MusicConfigPayload
from common.random_configs import random_config
from trainables.clips import keep_clips
from trainables.data import data_path, held_out_rows, load_answered, load_rows
from trainables.digest import score_held_out
from trainables.ledger_writer import Completion, LedgerWriter
from trainables.outcome import recorded, trial_result
from trainables.retrieval import nearest_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rewards.scorer import Scorer
    from trainables.data import VibeRow
    from trainables.spec import TrialResult, TrialSpec

    Answers = Callable[[Sequence[VibeRow]], Sequence[Sequence[str]]]
    """Vibes to a text for each of them and each sample."""

__all__ = ["evaluate_random_configs", "evaluate_retrieval", "random_payload"]


def evaluate_random_configs(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """Evaluate one random valid payload per held-out vibe and sample.

    Args:
        spec: of kind random_configs; the payloads are drawn from its configuration's seed.
        scorer: the sweep's frozen scorer.

    Raises:
        UserError: bad held-out data.
        TrialError: too many payloads could not be scored.
    """
    seed, samples = spec.config.seed, range(spec.objective.samples)

    def drawn(vibes: Sequence[VibeRow]) -> list[list[str]]:
        rngs = ([random.Random(f"{seed} {vibe.prompt_id} {sample}") for sample in samples] for vibe in vibes)
        return [[random_payload(rng).model_dump_json() for rng in of_vibe] for of_vibe in rngs]

    return recorded(spec, lambda: _evaluated(spec, scorer, drawn))


def evaluate_retrieval(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """Evaluate, for each held-out vibe, the payload of the training row whose vibe is spelled most like it.

    Every sample of a vibe is that payload. Nothing is drawn, so no seed changes anything.

    Args:
        spec: of kind retrieval; its training data, or what the embedded corpus has for SFT, have responses.
        scorer: the sweep's frozen scorer.

    Raises:
        UserError: bad held-out data, or no row with a response.
        TrialError: too many payloads could not be scored.
    """

    def found(vibes: Sequence[VibeRow]) -> list[list[str]]:
        corpus = load_answered(data_path(spec.train_data, "sft"), spec.config.data)
        # What the policy would read is looked up among what was meant.
        places = nearest_texts([vibe.prompt for vibe in vibes], [row.reference for row, _ in corpus])
        return [[corpus[place][1]] * spec.objective.samples for place in places]

    return recorded(spec, lambda: _evaluated(spec, scorer, found))


def _evaluated(spec: TrialSpec, scorer: Scorer, answers: Answers) -> TrialResult:
    started = time.perf_counter()
    path = data_path(spec.held_out_data, "held_out")
    vibes = held_out_rows(load_rows(path, spec.config.data), spec.objective, path)
    completions = [
        Completion(
            prompt_id=vibe.prompt_id,
            sample=sample,
            decoding_seed=spec.config.seed,
            vibe=vibe.reference,
            text=text,
            num_tokens=0,
            generate_s=0.0,
        )
        for vibe, texts in zip(vibes, answers(vibes), strict=True)
        for sample, text in enumerate(texts)
    ]
    ledger = LedgerWriter(spec)
    evaluation = score_held_out(completions, spec.objective, scorer, ledger, step=0)
    keep_clips(ledger.held_out(0), spec.directory, spec.objective.scorer)
    return trial_result(evaluation, steps=0, seconds=time.perf_counter() - started)


def random_payload(rng: random.Random) -> MusicConfigPayload:
    """A valid payload around a uniformly random config."""
    return MusicConfigPayload.model_validate(
        {
            "thinking": "",
            "title": "Random",
            "config": random_config(rng),
            "palettes": [_random_palette(rng) for _ in range(NUM_PALETTES)],
        }
    )


def _random_palette(rng: random.Random) -> dict[str, list[dict[str, str]]]:
    shades = rng.sample(range(0x1000000), NUM_COLORS)
    weights = sorted(rng.choices(WEIGHTS, k=NUM_COLORS), key=WEIGHTS.index, reverse=True)
    return {
        "colors": [{"hex": f"#{shade:06x}", "weight": w} for shade, w in zip(shades, weights, strict=True)]
    }
