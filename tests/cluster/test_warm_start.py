"""Points of earlier sweeps: judged again under this sweep's weights, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cluster.optuna_search import OptunaProposals
from cluster.point_outcome import PointOutcome
from cluster.sweep_directory import sweep_record
from cluster.warm_start import EarlierPoints, earlier_points
from common.errors import UserError
from common.ledger import LedgerRow, write_part
from common.records import ResultRecord, TrialRecord
from search_spaces.points import point

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

SPACE = {"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}, "lora.r": [8, 16]}


def row(record: TrialRecord, step: int, vibe: int, audio: float | None, reason: str | None) -> LedgerRow:
    scored = reason is None
    return LedgerRow(
        sweep="earlier",
        kind="trial",
        trial_id=record.trial_id,
        config_hash=record.config_hash,
        seed=record.seed,
        step=step,
        split="held_out",
        prompt_id=f"vibe-{vibe}",
        sample=0,
        decoding_seed=0,
        vibe="neon glow",
        completion="{}",
        format=1.0 if scored else None,
        schema=0.5 if scored else None,
        audio=audio,
        renderable=audio is not None if scored else None,
        unscored_reason=reason,
        num_tokens=2,
        generate_s=0.1,
        score_s=0.1,
        scorer_id="clap",
        renderer_id="torch",
        prompt_hash="prompt",
        off_policy_depth=1,
    )


def store(sweep: SweepFile, directory: Path, trials: list[tuple[dict[str, Any], int, list[Any]]]) -> None:
    """An earlier sweep with trials of (params, seed, audio of each vibe at the last step)."""
    sweep_record(sweep).write(directory)
    for number, (params, seed, audio) in enumerate(trials):
        chosen = point(sweep, number, params)
        folder = directory / "trials" / f"t{number:03d}-s{seed}"
        record = TrialRecord(
            trial_id=folder.name,
            kind="trial",
            number=number,
            label=chosen.label,
            params=dict(chosen.params),
            seed=seed,
            config_hash=chosen.config_hash,
            config=chosen.config.model_copy(update={"seed": seed}),
        )
        record.write(folder)
        write_part(folder / "ledger" / "held-out-0.parquet", [row(record, 0, 0, 1.0, None)])
        rows = [
            row(record, 4, vibe, None if a == "unscored" else a, "timeout" if a == "unscored" else None)
            for vibe, a in enumerate(audio)
        ]
        write_part(folder / "ledger" / "held-out-4.parquet", rows)
        ResultRecord(status="finished", objective=9.0, steps=4, seconds=10.0 * (1 + seed)).write(folder)


def warm(make_sweep: MakeSweep, directory: Path, **content: Any) -> SweepFile:
    search = {"mode": "optuna", "trials": 4, "warm_start": [str(directory)]}
    return make_sweep(**{"name": "later", "space": SPACE, "search": search} | content)


def test_finished_points_are_judged_again_under_this_sweeps_weights(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    earlier = make_sweep(name="earlier", space={"grpo.beta": [0.05, 0.1], "lora.r": [8]})
    params = {"grpo.beta": 0.05, "lora.r": 8}
    store(earlier, tmp_path / "earlier", [(params, 0, [0.5, None, "unscored"]), (params, 1, [0.25, 0.75])])
    weights = {"format_weight": 0.5, "schema_weight": 0.5, "audio_weight": 1.0}
    sweep = warm(make_sweep, tmp_path / "earlier", objective={"weights": weights})
    found = earlier_points(sweep)
    (known,) = found.points
    assert known.params == params
    # Each row: 0.5 * 1 + 0.5 * 0.5 + audio. Seed 0: audio 0.5 and the floor -1, so 0.5; the unscored row
    # counts nowhere. Seed 1: 0.75 + 0.5 = 1.25.
    assert known.metrics == {
        "held_out_objective": (0.5 + 1.25) / 2,
        "validity": 0.0,
        "audio_over_valid": 0.5,
        "train_seconds": 15.0,
    }
    assert found.lines == (
        f"starts with 1 of the 1 points that finished in {tmp_path / 'earlier'}; the others do not lie in "
        "this space",
    )


def test_points_outside_the_space_or_with_another_base_are_counted_and_left_out(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    earlier = make_sweep(
        name="earlier", space={"grpo.beta": [0.05, 0.3], "lora.r": [8, 32], "lora.alpha": [16, 64]}
    )
    inside = {"grpo.beta": 0.05, "lora.r": 8, "lora.alpha": 64}
    store(
        earlier,
        tmp_path / "earlier",
        [
            (inside, 0, [0.5, 0.5]),
            (inside | {"grpo.beta": 0.3}, 0, [0.5, 0.5]),
            (inside | {"lora.r": 32}, 0, [0.5, 0.5]),
            (inside | {"lora.alpha": 16}, 0, [0.5, 0.5]),
        ],
    )
    # This sweep's lora.alpha is 64, and no axis.
    found = earlier_points(
        warm(make_sweep, tmp_path / "earlier", base={"base_model": "tiny", "lora.alpha": 64})
    )
    assert [known.params for known in found.points] == [{"grpo.beta": 0.05, "lora.r": 8}]
    assert found.lines[0].startswith("starts with 1 of the 4 points")


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2"])
def test_a_search_starts_with_them_and_still_runs_all_of_its_trials(
    make_sweep: MakeSweep, tmp_path: Path, sampler: str
) -> None:
    earlier = make_sweep(name="earlier", space={"grpo.beta": [0.0, 0.2], "lora.r": [8]})
    betas = [0.01 * number for number in range(12)]
    store(earlier, tmp_path / "earlier", [({"grpo.beta": b, "lora.r": 8}, 0, [-b, -b]) for b in betas])
    sweep = warm(make_sweep, tmp_path / "earlier")
    sweep = sweep.model_validate(
        sweep.model_dump() | {"search": sweep.search.model_dump() | {"sampler": sampler}}
    )
    points = earlier_points(sweep).known(sweep)
    assert [known.number for known in points] == [-1 - n for n in range(12)]
    cold, started = OptunaProposals(sweep), OptunaProposals(sweep, points)
    proposed = [started.propose() for _ in range(5)]
    assert [p is not None for p in proposed] == [True] * 4 + [False]
    assert [cold.propose() for _ in range(4)] != proposed[:4]


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ({"temperature": 0.5}, "another temperature"),
        ({"max_completion_length": 64}, "another max_completion_length"),
        ({"samples": 2, "decoding_seed": 1}, "another samples, another decoding_seed"),
    ],
)
def test_another_evaluation_is_refused_with_the_reason(
    make_sweep: MakeSweep, tmp_path: Path, objective: dict[str, Any], reason: str
) -> None:
    store(make_sweep(name="earlier"), tmp_path / "earlier", [])
    with pytest.raises(UserError, match=rf"evaluated like this one, got .* with {reason}; leave it out"):
        earlier_points(warm(make_sweep, tmp_path / "earlier", objective=objective))


def test_other_held_out_data_are_refused(make_sweep: MakeSweep, tmp_path: Path) -> None:
    earlier = make_sweep(name="earlier")
    store(earlier, tmp_path / "earlier", [])
    (tmp_path / "vibes.jsonl").write_text('{"vibe_noisy": "a"}\n{"vibe_noisy": "b"}\n')
    with pytest.raises(UserError, match=r"with another held-out data; leave it out"):
        earlier_points(warm(make_sweep, tmp_path / "earlier"))


def test_a_folder_that_is_no_sweep_is_refused(make_sweep: MakeSweep, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must be a sweep directory"):
        earlier_points(warm(make_sweep, tmp_path / "nothing"))


def test_what_a_sweep_started_with_is_kept(make_sweep: MakeSweep, tmp_path: Path) -> None:
    earlier = make_sweep(name="earlier", space={"grpo.beta": [0.05], "lora.r": [8]})
    store(earlier, tmp_path / "earlier", [({"grpo.beta": 0.05, "lora.r": 8}, 0, [0.5])])
    sweep = warm(make_sweep, tmp_path / "earlier")
    found = earlier_points(sweep)
    assert EarlierPoints.read(tmp_path / "out") is None
    found.write(tmp_path / "out")
    again = EarlierPoints.read(tmp_path / "out")
    assert again == found
    # Two completions that say nothing of their sound: no rule is judged.
    unjudged = dict.fromkeys(
        ("vibe_margin", "distinct_share", "silent_share", "clipped_share", "noise_share"), 0.0
    )
    expected = PointOutcome("finished", found.points[0].metrics, {}, unjudged)
    assert again.known(sweep)[0].outcome == expected


def test_earlier_points_are_judged_by_this_sweeps_sentinels(make_sweep: MakeSweep, tmp_path: Path) -> None:
    earlier = make_sweep(name="earlier", space={"grpo.beta": [0.05], "lora.r": [8]})
    trials: list[tuple[dict[str, Any], int, list[Any]]] = [({"grpo.beta": 0.05, "lora.r": 8}, 0, [0.5])]
    store(earlier, tmp_path / "earlier", trials)
    folder = tmp_path / "earlier" / "trials" / "t000-s0"
    record = TrialRecord.read(folder)
    noise = [
        replace(row(record, 4, vibe, 0.5, None), level_db=-20.0, clipped=0.0, flatness=0.4 + 0.02 * vibe)
        for vibe in range(20)
    ]
    write_part(folder / "ledger" / "held-out-4.parquet", noise)
    # Flatness is above 0.5 from the sixth of 20 vibes on: 14 of them, or 0.65 more than 0.05.
    sweep = warm(make_sweep, tmp_path / "earlier")
    [found] = earlier_points(sweep).known(sweep)
    assert found.outcome is not None
    assert found.outcome.misses["noise_share"] == pytest.approx(14 / 20 - 0.05)
    assert found.outcome.is_infeasible
    off = make_sweep(**(sweep.model_dump() | {"objective": {"sentinels": {"max_bad_sound_share": None}}}))
    [found] = earlier_points(off).known(off)
    assert found.outcome is not None
    assert not found.outcome.is_infeasible
