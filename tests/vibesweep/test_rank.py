"""`vibesweep rank` takes the kept noise floors, and outlives a broken file of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from common.noise_floor import NoiseFloor, NoiseFloorKey, noise_floors_file, store_noise_floor
from common.objective import ObjectiveConfig
from tests.analysis.conftest import SweepWriter
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sweep(tmp_path: Path) -> str:
    writer = SweepWriter(tmp_path / "runs" / "small")
    writer.trial("a", {4: [0.1, 0.2, 0.3]})
    return str(writer.directory)


def test_a_kept_noise_floor_tells_what_the_sweep_could_find(
    sweep: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank", sweep]) == 0
    assert "vibesweep noise-floor FILE" in " ".join(capsys.readouterr().out.split())
    kept = NoiseFloor(
        key=NoiseFloorKey.of("tiny", ObjectiveConfig()),
        scorer_id="clap", renderer_id="torch", num_vibes=2, num_decoding_seeds=2, num_render_seeds=2,
        num_clips=2, objective_decoding=0.02, objective_vibes=1.0, audio_render=0.1, audio_configs=0.2,
        numerics_microbatch=0.0, numerics_threads=0.0,
    )  # fmt: skip
    store_noise_floor(noise_floors_file(), kept)
    assert run(["rank", sweep]) == 0
    assert "noise from the kept noise floor" in " ".join(capsys.readouterr().out.split())
    assert run(["rank", sweep, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["smallest_detectable"]["source"] == "noise_floor"


def test_a_broken_file_of_noise_floors_is_said_and_the_ranking_stands(
    sweep: str, capsys: pytest.CaptureFixture[str]
) -> None:
    noise_floors_file().parent.mkdir(parents=True, exist_ok=True)
    noise_floors_file().write_text("{")
    assert run(["rank", sweep]) == 0
    captured = capsys.readouterr()
    assert "Best configuration: a" in captured.out
    assert "ranked without a noise floor: " in captured.err
    assert "vibesweep noise-floor FILE" not in captured.out


def test_other_weights_rank_by_what_is_stored(sweep: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rank", sweep, "--weights", "0,0,1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["weights"] == {"format": 0, "schema": 0, "audio": 1}
    assert data["rows"][0]["mean"] == pytest.approx(0.2)
    assert run(["rank", sweep, "--weights", "0,0,1"]) == 0
    assert "held-out objective = 1 audio" in capsys.readouterr().out


@pytest.mark.parametrize("weights", ["0.5,0.5", "a,b,c", "0,0,0", "-1,1,1", "nan,1,1"])
def test_what_are_no_weights_is_refused_in_one_line(
    sweep: str, capsys: pytest.CaptureFixture[str], weights: str
) -> None:
    assert run(["rank", sweep, f"--weights={weights}"]) == 2
    error = capsys.readouterr().err
    assert "--weights must be 3 numbers >= 0, of format, schema, audio, got" in error
    assert error.count("\n") == 1


def test_csv_is_printed_alone(sweep: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rank", sweep, "--csv"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.startswith("rank,label,kind,params,mean,low,high,")
    assert line.startswith("1,a,trial,{},0.6,")
    assert run(["rank", sweep, "--csv", "--json"]) == 2
    assert "a ranking must be printed in one form" in capsys.readouterr().err
