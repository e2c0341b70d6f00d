"""A trial of several data-parallel workers: Ray Train runs them, and what they tell goes on to Tune.

The workers hold the trial's CPUs and GPUs. Tune's own process of the trial only waits for them and passes
their reports on, one at a time: as in a trial of one process, none goes on before the scheduler has decided.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import ray
from ray import tune
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.capacity import worker_resources
from cluster.nodes import HEAD, MARKET_TYPE, SPOT
from cluster.task import run_trial_of
from common.errors import ClusterError, TrialError, UserError
from common.records import TrialRecord
from trainables.stop_sign import StoppedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ray.train.torch import TorchTrainer

    from cluster.nodes import Node
    from cluster.task import SweepTask, Tell
    from common.training_config import InfraConfig

__all__ = ["outer_place", "run_on_workers"]

_OUTER_MEMORY: Final = 2**28
"""Bytes of memory that Tune's own process reserves where it is not on the head: every node has some."""
_LOOK_EVERY_S: Final = 1.0


class _StoppedError(Exception):
    """The scheduler wants no more of this trial."""


def outer_place(nodes: Sequence[Node]) -> tune.PlacementGroupFactory:
    """What Tune reserves for its own process of such a trial: a place that stays while workers come and go.

    That is the head node, where the sweep's driver is too; or, where its label says that it is a spot node
    and there are others, any of those.

    Args:
        nodes: of the cluster.
    """
    heads = [node for node in nodes if HEAD in node.resources]
    if all(node.is_spot for node in heads) and not all(node.is_spot for node in nodes):
        return tune.PlacementGroupFactory(
            [{"memory": _OUTER_MEMORY}], bundle_label_selector=[{MARKET_TYPE: f"!{SPOT}"}]
        )
    return tune.PlacementGroupFactory([{HEAD: 0.001}])


def run_on_workers(record: TrialRecord, task: SweepTask, tell: Tell) -> None:
    """Run a trial on as many workers as its `infra` says, and pass on what they tell.

    Args:
        record: the trial.
        task: the sweep's.
        tell: hears of its progress; what it raises ends the workers.

    Raises:
        TrialError, UserError: the trial has no usable outcome.
        StoppedError: the sweep stops, and the trial has left.
        ClusterError: Ray Train or a worker broke.
    """
    from ray.train.torch import TorchConfig, TorchTrainer  # noqa: PLC0415 - torch, which drivers need not load

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Not among what Tune has reserved for the trial, which has no room for them.
    options = {"num_cpus": 0, "scheduling_strategy": here}
    reports, answers = Queue(actor_options=options), Queue(actor_options=options)
    trainer = TorchTrainer(
        _work,
        train_loop_config={
            "trial_id": record.trial_id,
            "task": task,
            "reports": reports,
            "answers": answers,
        },
        scaling_config=_scaling(record.config.infra),
        run_config=RunConfig(
            name=record.trial_id,
            storage_path=str(Path(task.directory) / "tune" / "workers"),
            failure_config=FailureConfig(max_failures=0),  # Tune starts a crashed trial again
        ),
        torch_config=TorchConfig(backend="nccl" if record.config.infra.gpus_per_trial else "gloo"),
    )
    run = _Run(trainer)
    run.start()
    try:
        while run.is_alive():
            try:
                progress = reports.get(timeout=_LOOK_EVERY_S)
            except Empty:
                continue
            tell(progress)
            answers.put(True)
    finally:
        # Whatever `tell` has raised: the workers leave at their next report, and with them their GPUs.
        answers.put(False)
        run.join()
        reports.shutdown()
        answers.shutdown()
    run.raise_failure()


class _Run(Thread):
    """`fit` in a thread of its own; Tune's `report` works in the one that Tune has started."""

    def __init__(self, trainer: TorchTrainer) -> None:
        super().__init__(daemon=True)
        self._trainer = trainer
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            self._trainer.fit()
        except Exception as failure:
            self._failure = failure

    def raise_failure(self) -> None:
        """Raise what ended the workers, as the trial's own error where it was one."""
        if self._failure is None:
            return
        causes = self._failure.worker_failures.values() if isinstance(self._failure, WorkerGroupError) else ()
        for cause in causes:
            if isinstance(cause, TrialError | UserError | StoppedError):
                raise cause
        raise ClusterError(f"the trial's workers broke: {self._failure}") from self._failure


def _scaling(infra: InfraConfig) -> ScalingConfig:
    each = worker_resources(infra)
    return ScalingConfig(
        num_workers=infra.workers,
        use_gpu="GPU" in each,
        # Ray Train adds the accelerator's own.
        resources_per_worker={name: amount for name, amount in each.items() if ":" not in name},
        accelerator_type=infra.gpu_type,
    )


def _work(config: dict[str, Any]) -> None:
    """One worker's part of a trial."""
    task: SweepTask = config["task"]
    reports: Queue = config["reports"]
    answers: Queue = config["answers"]

    def tell(progress: Mapping[str, Any]) -> None:
        reports.put(dict(progress))
        if not answers.get():
            raise _StoppedError

    record = TrialRecord.read(Path(task.directory) / "trials" / config["trial_id"])
    run_trial_of(record, task, tell)
