"""A trial that is killed with SIGKILL at ten random moments ends bit-equal to one that is not."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from common.records import FallbacksRecord, ResultRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KILLS = 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "num_generations"), [(0, 2), (1, 3)], ids=["on-policy", "three steps per rollout"]
)
def test_ten_kills_change_nothing(
    make_spec: Callable[..., TrialSpec],
    read_ledger: ReadLedger,
    tmp_path: Path,
    seed: int,
    num_generations: int,
) -> None:
    spec = make_spec(max_steps=12, logging__eval_steps=3, grpo__num_generations=num_generations)
    file = tmp_path / "spec.pickle"
    file.write_bytes(pickle.dumps(spec))
    ran = subprocess.run(
        [sys.executable, str(HERE / "kill_trial.py"), str(file), str(KILLS), str(seed)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    print(ran.stdout)
    kills = ran.stdout.splitlines()
    # -9 is the exit code of a process that was running when the signal came.
    assert [line.split(" after ")[0] for line in kills] == [f"kill {k} exit -9" for k in range(KILLS)]
    assert sum(line.endswith("while it wrote a checkpoint") for line in kills) >= 1

    whole = f"{spec.directory}-whole"
    weights = load_file(Path(spec.directory) / "adapter" / "adapter_model.safetensors")
    for name, expected in load_file(Path(whole) / "adapter" / "adapter_model.safetensors").items():
        assert torch.equal(weights[name], expected), name
    assert read_ledger(spec.directory) == read_ledger(whole)
    results = [ResultRecord.read(Path(directory)) for directory in (spec.directory, whole)]
    assert results[0] is not None
    assert results[1] is not None
    assert results[0].objective == results[1].objective
    # A kill leaves no checkpoint that looks whole and is not.
    assert not (Path(spec.directory) / FallbacksRecord.FILE).exists()
