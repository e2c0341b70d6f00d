"""What the report's page holds: numbers under any weights, samples, settings, origin."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis import compute_ranking, load_sweep
from analysis.report import report_data
from analysis.report.inert import inert_weights
from analysis.report.samples import MAX_VIBES
from common.ledger import LedgerRow, write_part
from common.reward_config import RewardWeights
from common.training_config import TrainingConfig
from search_spaces import load_sweep_file
from tests.analysis.report.conftest import HOSTILE
from vibesweep.options import training_config

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.intervals import Interval
    from analysis.report.data import ReportData
    from analysis.report.moments import Moments
    from tests.analysis.conftest import NewSweep, SweepWriter

MIXTURES = [(0.2, 0.3, 0.5), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.07, 0.61, 0.32)]


def data_of(sweep: SweepWriter, **options: Any) -> tuple[ReportData, dict[str, str]]:
    stored = load_sweep(sweep.directory)
    return report_data(stored, compute_ranking(stored), "runs/small", **options)


def mean_and_half(moments: Moments, weights: tuple[float, ...]) -> tuple[float, float]:
    """The formula of the page, which analysis/report/moments.py states."""
    w = np.array(weights)
    vibes, own, pooled, rest = (
        float(w @ np.array(getattr(moments, name)) @ w)
        for name in ("vibes", "own_seeds", "pooled_seeds", "rest")
    )
    seeds = max(0.0, max(own, pooled) - rest)
    critical = (moments.t_vibes * vibes + moments.t_seeds * seeds) / max(vibes + seeds, 1e-300)
    return float(w @ np.array(moments.mean)), critical * (vibes + seeds) ** 0.5


@pytest.mark.parametrize("weights", MIXTURES)
def test_moments_give_the_intervals_that_the_ranking_has_under_any_weights(
    heard_sweep: SweepWriter, weights: tuple[float, float, float]
) -> None:
    data, _ = data_of(heard_sweep)
    named = RewardWeights(format_weight=weights[0], schema_weight=weights[1], audio_weight=weights[2])
    stored = load_sweep(heard_sweep.directory)
    expected = {row.config_hash: row for row in compute_ranking(stored, weights=named).rows}
    own = compute_ranking(stored).rows
    assert [row.rank for row in data.rows] == [1, 2, 3, 4, 5, 6, 7]
    for row, ranked in zip(data.rows, own, strict=True):
        there = expected[ranked.config_hash]

        def agree(moments: Moments, interval: Interval) -> None:
            assert mean_and_half(moments, weights) == pytest.approx(
                (interval.mean, interval.half_width), abs=1e-9
            )

        agree(row.objective_moments, there.objective)
        assert (row.difference_moments is None) == (there.difference is None)
        if row.difference_moments and there.difference:
            agree(row.difference_moments, there.difference.total)


def test_rows_that_differ_by_rounding_alone_stand_in_the_order_of_their_labels(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    # 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 to the last digit, which must not decide.
    sweep.trial("b", {4: [0.3, 0.2, 0.1]})
    sweep.trial("a", {4: [0.1, 0.2, 0.3]})
    data, _ = data_of(sweep)
    assert [(row.name, row.tie_order) for row in data.rows] == [("a", 0), ("b", 1)]


def test_a_take_has_its_title_its_colors_and_its_clip(heard_sweep: SweepWriter) -> None:
    data, clips = data_of(heard_sweep)
    assert [vibe.prompt_id for vibe in data.vibes] == ["vibe-0", "vibe-1", "vibe-2", "vibe-3"]
    takes = {take.name: take for take in data.vibes[1].takes}
    assert len(takes) == 7
    eight = takes["lora.r=8"]
    assert eight.title == f"Song 1 {HOSTILE}"
    assert eight.palettes == (("#0746f3",),)
    assert eight.seed == 0
    assert takes["untrained policy"].seed is None
    assert takes["random valid configs"].title is None
    assert eight.clip is not None
    file = heard_sweep.directory / "trials" / "lora.r=8-s0" / "clips" / "vibe-1.mp3"
    assert base64.b64decode(clips[eight.clip]) == file.read_bytes()
    # The infeasible one kept no clips, and the fourth vibe has none.
    assert takes["lora.r=64"].clip is None
    assert [take.clip for take in data.vibes[3].takes] == [None] * 7
    assert len(clips) == 6 * 3
    assert data.samples_note.startswith(f"Of the held-out vibes the first {MAX_VIBES} are here")


def test_a_sweep_without_clips_says_so(small_sweep: SweepWriter) -> None:
    data, clips = data_of(small_sweep)
    assert clips == {}
    assert "kept no clips" in data.samples_note


def test_sounds_can_be_left_out(heard_sweep: SweepWriter) -> None:
    data, clips = data_of(heard_sweep, audio=False)
    assert clips == {}
    assert {take.clip for vibe in data.vibes for take in vibe.takes} == {None}
    assert "`--no-audio`" in data.samples_note


def test_settings_take_the_way_back_through_config_file(heard_sweep: SweepWriter, tmp_path: Path) -> None:
    data, _ = data_of(heard_sweep)
    assert [setting.rank for setting in data.settings] == [row.rank for row in data.rows if row.is_trial]
    [setting] = [setting for setting in data.settings if setting.name == "lora.r=16"]
    assert setting.params == {"lora.r": "16"}
    file = tmp_path / setting.file_name
    file.write_text(setting.json_text)
    record = json.loads((heard_sweep.directory / "trials" / "lora.r=16-s0" / "trial.json").read_text())
    assert training_config(file, None, {}) == TrainingConfig.model_validate(record["config"])


def test_the_sweep_file_is_the_sweep(heard_sweep: SweepWriter, tmp_path: Path) -> None:
    data, _ = data_of(heard_sweep)
    file = tmp_path / "small.yaml"
    file.write_text(data.sweep_file)
    assert load_sweep_file(file) == load_sweep(heard_sweep.directory).record.sweep
    assert data.reproduce[-1] == "vibesweep sweep run small.yaml"


def test_a_weight_that_taught_nothing_is_told(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    folder = sweep.trial("a", {4: [0.1, 0.2, 0.3]})
    row = LedgerRow(**pq.read_table(folder / "ledger" / "held-out-000004.parquet").to_pylist()[0])
    # Two prompts with two completions each: all of them valid, and only their sound differs.
    valid = dataclasses.replace(row, split="train", format=1.0, schema=1.0)
    rollouts = [
        dataclasses.replace(valid, prompt_id=prompt, sample=sample, audio=audio)
        for prompt in ("p", "q")
        for sample, audio in enumerate((0.1, 0.4))
    ]
    write_part(folder / "ledger" / "train-000004.parquet", rollouts)
    told = inert_weights(load_sweep(sweep.directory))
    assert [sentence.split(":")[0] for sentence in told] == [
        "The format weight was inert in 1 of 1 configurations",
        "The schema weight was inert in 1 of 1 configurations",
    ]
    data, _ = data_of(sweep)
    assert set(told) < set(data.warnings)


def test_a_sweep_without_outcomes_has_a_page_all_the_same(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.1, 0.2]}, status=None)
    data, _ = data_of(sweep)
    assert not any([data.rows, data.facts, data.settings, data.vibes])
    assert data.summary == ("No configuration has a finished trial, so there is nothing to rank yet.",)
