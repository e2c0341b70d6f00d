"""`vibesweep noise-floor`, and what `sweep plan` makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from analysis.detectable import smallest_detectable
from common.noise_floor import NoiseFloor, NoiseFloorKey, noise_floors_file, read_noise_floors
from search_spaces import load_sweep_file
from vibesweep.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.objective import ObjectiveConfig
    from common.training_config import TrainingConfig
    from trainables.data import VibeRow

SWEEP = """
name: small
base: {base_model: tiny, max_steps: 3, grpo.max_completion_length: 112}
space: {lora.r: [4, 8]}
seeds: [0, 1, 2]
objective: {num_vibes: 20, temperature: 0.5}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SWEEP)
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of vibes that were asked for, in place of measuring."""
    asked: list[int] = []

    def measure(
        config: TrainingConfig, objective: ObjectiveConfig, vibes: Sequence[VibeRow], **settings: Any
    ) -> NoiseFloor:
        asked.append(len(vibes))
        return NoiseFloor(
            key=NoiseFloorKey.of(config.base_model, objective),
            scorer_id="clap:tiny",
            renderer_id="ours",
            num_vibes=len(vibes),
            num_decoding_seeds=settings["decoding_seeds"],
            num_render_seeds=settings["render_seeds"],
            num_clips=settings["clips"],
            objective_decoding=0.08,
            objective_vibes=0.05,
            audio_render=0.011,
            audio_configs=0.2,
            numerics_microbatch=3e-7,
            numerics_threads=0.0,
        )

    monkeypatch.setattr("trainables.noise_floor.measure_noise_floor", measure)
    return asked


def test_it_prints_one_json_object_and_keeps_it(
    file: Path, measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["noise-floor", str(file), "--vibes", "10", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    [stored] = read_noise_floors(noise_floors_file())
    assert measured == [10]
    assert found["objective_decoding"] == stored.objective_decoding == 0.08
    [entry] = [one for one in found["smallest_detectable"] if (one["seeds"], one["vibes"]) == (3, 118)]
    assert entry["difference"] == pytest.approx(smallest_detectable(stored, seeds=3, vibes=118))
    assert str(noise_floors_file()) in captured.err


def test_the_table_says_what_was_not_measured(
    measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["noise-floor"]) == 0
    table = capsys.readouterr().out
    assert "decoding seed      0.0800" in table
    assert "training seed      not measured: add --runs" in table
    assert "microbatch shape   3.0e-07" in table
    assert "What training seeds add is not in it" in table


def test_a_plan_says_what_the_sweep_can_detect(
    file: Path, measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "plan", str(file)]) == 0
    assert (
        f"detects      unknown: measure the noise with `vibesweep noise-floor {file}`"
        in capsys.readouterr().out
    )
    assert run(["noise-floor", str(file), "--vibes", "10"]) == 0
    capsys.readouterr()
    [stored] = read_noise_floors(noise_floors_file())
    # The file's own 20 vibes, not the 10 that the noise was measured on.
    expected = smallest_detectable(stored, seeds=3, vibes=20, num_compared=2)
    assert run(["sweep", "plan", str(file)]) == 0
    assert (
        f"detects      differences from {expected:.3f} between two configurations (3 seeds, 20 vibes, "
        "the best of 2); training seeds were not measured" in capsys.readouterr().out
    )
    assert run(["sweep", "plan", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["smallest_detectable"] == {
        "difference": pytest.approx(expected),
        "seeds": 3,
        "vibes": 20,
        "num_compared": 2,
        "covers_seeds": False,
    }


def test_another_objective_has_another_noise(
    file: Path, measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["noise-floor", str(file), "--vibes", "10"]) == 0
    file.write_text(SWEEP.replace("temperature: 0.5", "temperature: 1.0"))
    assert load_sweep_file(file).objective.temperature == 1
    capsys.readouterr()
    assert run(["sweep", "plan", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["smallest_detectable"] is None
    assert run(["noise-floor", str(file), "--vibes", "12"]) == 0
    assert run(["noise-floor", str(file), "--vibes", "14"]) == 0
    # One for each key; measured again, it replaces the older.
    assert [floor.num_vibes for floor in read_noise_floors(noise_floors_file())] == [10, 14]


def test_a_file_that_holds_something_else_is_refused_before_anything_is_measured(
    file: Path, measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    noise_floors_file().parent.mkdir(parents=True)
    noise_floors_file().write_text("{}x")
    assert run(["noise-floor", str(file)]) == 2
    assert "must hold this version's noise floors, got something else; delete it" in capsys.readouterr().err
    assert measured == []


def test_more_vibes_than_there_are_is_the_users_error(
    file: Path, measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["noise-floor", str(file), "--vibes", "100000"]) == 2
    assert "objective.num_vibes must be <= the rows of" in capsys.readouterr().err
