"""A stored sweep with everything that a report shows."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from common.clips import CLIPS_FOLDER, clip_name

if TYPE_CHECKING:
    from pathlib import Path

    from tests.analysis.conftest import Completion, NewSweep, SweepWriter

NUM_VIBES = 6
HOSTILE = "</script><img src=x onerror=alert(1)>"
ODD_NAME = "<!--<script>"


def completions(rng: np.random.Generator, audio: float, *, broken: float = 0.2) -> list[Completion]:
    """Of six vibes: some not to be rendered, one in ten without its format, the others around `audio`."""
    return [
        (1.0, 0.7, None)
        if rng.random() < broken
        else (float(rng.random() > 0.1), float(rng.uniform(0.8, 1)), float(rng.normal(audio, 0.15)))
        for _ in range(NUM_VIBES)
    ]


def written(vibe: int) -> str:
    colors = [{"hex": "#0746f3"}, {"hex": "url(http://example.org)"}, {"hex": 7}]
    return json.dumps({"title": f"Song {vibe} {HOSTILE}", "palettes": [{"colors": colors}, "none"]})


def keep_clip(trial: Path, vibe: int, hertz: float) -> None:
    """A second of a tone as the clip of a vibe."""
    file = io.BytesIO()
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000)
    soundfile.write(file, tone, 48_000, format="MP3", subtype="MPEG_LAYER_III")
    (trial / CLIPS_FOLDER).mkdir(exist_ok=True)
    (trial / CLIPS_FOLDER / clip_name(f"vibe-{vibe}")).write_bytes(file.getvalue())


@pytest.fixture
def heard_sweep(new_sweep: NewSweep) -> SweepWriter:
    """Five configurations, one infeasible and one with an odd name, and both baselines; with clips."""
    rng = np.random.default_rng(5)
    sweep = new_sweep(sentinels={"min_heard": 2})
    folders = [sweep.untrained(completions(rng, 0.1, broken=0.4), text=written)]
    folders.append(
        sweep.trial("random valid configs", {0: completions(rng, 0.0, broken=0)}, kind="random_configs")
    )
    # What scores well under one mixture of weights scores badly under another.
    for name, audio, broken in (("8", 0.4, 0.4), ("16", 0.2, 0.0), ("32", 0.3, 0.2), (ODD_NAME, 0.1, 0.1)):
        for seed in range(3 if name == "8" else 2):
            steps = {0: completions(rng, 0.1), 4: completions(rng, audio, broken=broken)}
            path = "system_prompt" if name == ODD_NAME else "lora.r"
            params = {path: name if name == ODD_NAME else int(name)}
            folders.append(sweep.trial(f"{path}={name}", steps, seed=seed, params=params, text=written))
    one_sound = {"similarity": 0.9, "mismatched": 0.9, "level_db": -20.0}
    sweep.trial(
        "lora.r=64",
        {4: [(1.0, 1.0, 0.9)] * NUM_VIBES},
        params={"lora.r": 64},
        heard=lambda vibe: one_sound | {"clipped": 0.0, "flatness": 0.1},
    )
    for number, folder in enumerate(folders):
        for vibe in range(3):
            keep_clip(folder, vibe, 220 * (number + 1))
    return sweep
