"""One trial: policy, data, noise, SFT, GRPO, held-out evaluation, checkpoints.

Importing this room loads no torch: a sweep's driver needs only what crosses processes. What runs a trial
is `trainables.trial.run_trial`, `trainables.baselines` and `trainables.sft.run_sft`.
"""

from trainables.spec import Progress, Report, TrialResult, TrialSpec

__all__ = ["Progress", "Report", "TrialResult", "TrialSpec"]
