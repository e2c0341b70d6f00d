"""The baseline that knows nothing: random valid payloads, evaluated like a policy's completions."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from common.music_schema import NUM_COLORS, NUM_PALETTES, WEIGHTS, MusicConfigPayload
from common.random_configs import random_config
from trainables.clips import keep_clips
from trainables.data import data_path, held_out_rows, load_rows
from trainables.digest import score_held_out
from trainables.ledger_writer import Completion, LedgerWriter
from trainables.outcome import recorded, trial_result

if TYPE_CHECKING:
    from rewards.scorer import Scorer
    from trainables.spec import TrialResult, TrialSpec

__all__ = ["evaluate_random_configs", "random_payload"]


def evaluate_random_configs(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """Evaluate one random valid payload per held-out vibe and sample.

    Args:
        spec: of kind random_configs; the payloads are drawn from its configuration's seed.
        scorer: the sweep's frozen scorer.

    Raises:
        UserError: bad held-out data.
        TrialError: too many payloads could not be scored.
    """

    def work() -> TrialResult:
        started = time.perf_counter()
        path = data_path(spec.held_out_data, "held_out")
        vibes = held_out_rows(load_rows(path, spec.config.data), spec.objective, path)
        seed = spec.config.seed
        completions = [
            Completion(
                prompt_id=vibe.prompt_id,
                sample=sample,
                decoding_seed=seed,
                vibe=vibe.reference,
                text=random_payload(random.Random(f"{seed} {vibe.prompt_id} {sample}")).model_dump_json(),
                num_tokens=0,
                generate_s=0.0,
            )
            for vibe in vibes
            for sample in range(spec.objective.samples)
        ]
        ledger = LedgerWriter(spec)
        evaluation = score_held_out(completions, spec.objective, scorer, ledger, step=0)
        keep_clips(ledger.held_out(0), spec.directory, spec.objective.scorer)
        return trial_result(evaluation, steps=0, seconds=time.perf_counter() - started)

    return recorded(spec, work)


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
