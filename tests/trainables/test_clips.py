"""The clips that a trial keeps of its last evaluation."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from common.clips import CLIPS_FOLDER, clip_name
from common.objective import ObjectiveConfig
from common.reward_config import ClapScorerConfig
from rewards.scorer import Scorer
from trainables.baselines import evaluate_random_configs, random_payload
from trainables.clips import NUM_CLIPS, keep_clips, sound_of
from trainables.ledger_writer import Completion, LedgerWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainables.spec import TrialSpec

HALF_A_SECOND = ClapScorerConfig(seconds=0.5, render_seed=3)


def test_the_first_vibes_of_a_baseline_can_be_heard(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, tmp_path: Path
) -> None:
    objective = ObjectiveConfig(num_vibes=NUM_CLIPS + 1, scorer=HALF_A_SECOND)
    contents = []
    for name in ("once", "again"):
        spec = replace(
            make_spec(), kind="random_configs", objective=objective, directory=str(tmp_path / name)
        )
        evaluate_random_configs(spec, stub_scorer)
        rows = LedgerWriter(spec).held_out(0)
        clips = {path.name: path.read_bytes() for path in (tmp_path / name / CLIPS_FOLDER).iterdir()}
        assert set(clips) == {clip_name(row.prompt_id) for row in rows[:NUM_CLIPS]}
        contents.append(clips)
    assert contents[0] == contents[1]

    file = tmp_path / "once" / CLIPS_FOLDER / clip_name(rows[0].prompt_id)
    heard, rate = soundfile.read(file, dtype="float32")
    rendered = sound_of(rows[0], HALF_A_SECOND, sample_rate=48_000)
    assert rendered is not None
    assert rate == 48_000
    # LAME begins with some frames of silence, and keeps phase: the lag of the best match is its delay.
    expected = rendered.numpy().mean(0)
    matches = [
        float(np.corrcoef(heard.mean(1)[lag : lag + 16_000], expected[:16_000])[0, 1]) for lag in range(3_000)
    ]
    assert max(matches) > 0.95
    assert file.stat().st_size < 15_000  # 0.5 s at 128 kbit/s are 8 kB; 10 s are 160 kB


def test_what_cannot_be_rendered_has_no_clip(make_spec: Callable[..., TrialSpec], tmp_path: Path) -> None:
    spec, scorer = make_spec(), Scorer(None)

    def keep(*texts: str) -> list[str]:
        completions = [Completion(f"p{i}", 0, 0, f"vibe {i}", text, 1, 0.0) for i, text in enumerate(texts)]
        components = scorer.score([c.vibe for c in completions], [c.text for c in completions])
        rows = LedgerWriter(spec).rows("held_out", 4, completions, components, score_s=1.0, scorer=scorer)
        keep_clips(rows, str(tmp_path), HALF_A_SECOND)
        return sorted(path.name for path in (tmp_path / CLIPS_FOLDER).iterdir())

    music = random_payload(random.Random(0)).model_dump_json()
    assert keep(music, "no music", music) == ["p0.mp3", "p2.mp3"]
    # An attempt that ends otherwise leaves no clip of the one before.
    assert keep("no music", "no music", music) == ["p2.mp3"]
