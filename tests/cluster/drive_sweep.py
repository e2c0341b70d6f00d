"""A driver to be killed: runs the sweep of a JSON file with stand-in trials, `quick` or another."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.sweep import run_sweep
from cluster.task import TrialCode
from search_spaces import SweepFile

if __name__ == "__main__":
    outcome = run_sweep(
        SweepFile.model_validate_json(Path(sys.argv[1]).read_text()),
        sys.argv[2] if "://" in sys.argv[2] else Path(sys.argv[2]),
        code=TrialCode(
            f"trivial_trials:{next(iter(sys.argv[3:]), 'quick')}",
            "trivial_trials:random_configs",
            "trivial_scorers:length_backend",
        ),
    )
    print(outcome.num_finished, len(outcome.failed))
