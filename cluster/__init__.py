"""Many trials: Ray, the Tuner, the shared scoring pool, the sweep directory, progress."""

from cluster.sweep import FailedTrial, SweepOutcome, resume_sweep, run_sweep
from cluster.sweep_directory import sweep_directory
from cluster.trainable import TrialCode

__all__ = ["FailedTrial", "SweepOutcome", "TrialCode", "resume_sweep", "run_sweep", "sweep_directory"]
