"""Many trials: Ray, the Tuner, the shared scoring pool, the sweep directory, progress."""

from cluster.sweep import FailedTrial, SweepOutcome, resume_sweep, run_sweep
from cluster.sweep_directory import sweep_directory
from cluster.sweep_plan import SweepPlan, plan_sweep
from cluster.trainable import TrialCode

__all__ = [
    "FailedTrial",
    "SweepOutcome",
    "SweepPlan",
    "TrialCode",
    "plan_sweep",
    "resume_sweep",
    "run_sweep",
    "sweep_directory",
]
