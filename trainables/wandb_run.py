"""One trial as a run of Weights & Biases: the numbers, texts and clips that TensorBoard has.

Not transformers' own callback: it takes the project from the environment, knows nothing of the held-out
evaluations, and finds the run of the process's last trial still open.
"""

from __future__ import annotations

import html
import os
import secrets
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, Self

from common.errors import UserError
from common.records import write_text_atomically
from trainables.shown import CLIP_RATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from common.training_config import TrainingConfig
    from trainables.shown import Shown

__all__ = ["WandbRun", "wandb_run"]

_ID_FILE: Final = "run-id"
_CACHES: Final = ("WANDB_CACHE_DIR", "WANDB_DATA_DIR")
_STEP: Final = "step"


def wandb_run(
    config: TrainingConfig, *, name: str, group: str | None, folder: Path
) -> AbstractContextManager[WandbRun | None]:
    """The run of a trial, or nothing where its configuration names no project; arguments as of `WandbRun`."""
    if config.logging.wandb_project is None:
        return nullcontext()
    return WandbRun(config, name=name, group=group, folder=folder)


class WandbRun:
    """Open inside its `with` block. Online or offline is decided by `WANDB_MODE`, and the account by W&B's
    own environment variables or login.

    A trial that goes on continues the run that it began, because the run's id lies in its folder. Steps after
    its checkpoint, which are taken again, are in the run twice: W&B's histories only grow.
    """

    def __init__(self, config: TrainingConfig, *, name: str, group: str | None, folder: Path) -> None:
        """
        Args:
            config: goes into the run whole; its `logging.wandb_project` is the project.
            name: of the run, such as the trial's id.
            group: of the run, such as the sweep's name.
            folder: the trial's; W&B writes to `wandb` in it.
        """
        self._config = config
        self._name = name
        self._group = group
        self._folder = folder / "wandb"
        self._run: Any = None
        self._set: list[str] = []

    def __enter__(self) -> Self:
        """Begin the run, or go on with it.

        Raises:
            UserError: W&B refuses it, for want of a key or of a network.
        """
        import wandb  # noqa: PLC0415 - the extra `wandb`; takes 1.5 s

        self._folder.mkdir(parents=True, exist_ok=True)
        for name in _CACHES:
            if name not in os.environ:
                os.environ[name] = str(self._folder)
                self._set.append(name)
        try:
            self._run = wandb.init(
                project=self._config.logging.wandb_project,
                id=self._id(),
                name=self._name,
                group=self._group,
                config=self._config.model_dump(mode="json"),
                dir=str(self._folder.parent),
                resume="allow",
                # Never the process's open run: a worker runs one trial after the other.
                reinit="create_new",
                settings=wandb.Settings(console="off", silent=True, disable_git=True),
            )
        except wandb.Error as error:
            self._restore()
            raise UserError(
                f"logging.wandb_project must name a project that W&B accepts here, got "
                f"{self._config.logging.wandb_project!r} ({str(error).splitlines()[0]}); log in with `wandb "
                "login`, or set WANDB_MODE=offline and sync later"
            ) from error
        self._run.define_metric(_STEP, hidden=True)
        self._run.define_metric("*", step_metric=_STEP)
        self._media = (wandb.Audio, wandb.Html)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A scheduler's stop is a SystemExit, and no failure.
        failed = kind is not None and issubclass(kind, Exception)
        self._run.finish(exit_code=int(failed))
        self._restore()

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by their tags, after so many optimizer steps."""
        self._run.log({_STEP: step, **values})

    def add_completions(self, step: int, shown: Sequence[Shown]) -> None:
        """Completions of one evaluation, as text and, where they have a clip, as sound."""
        audio, page = self._media
        entries: dict[str, Any] = {}
        for one in shown:
            text = f"<p>{html.escape(one.summary)}</p><pre>{html.escape(one.row.completion)}</pre>"
            entries[f"completion/{one.place}"] = page(text, inject=False)
            if one.clip is not None:
                entries[f"clip/{one.place}"] = audio(one.clip, sample_rate=CLIP_RATE, caption=one.summary)
        if entries:
            self._run.log({_STEP: step, **entries})

    def _id(self) -> str:
        path = self._folder / _ID_FILE
        if not path.is_file():
            write_text_atomically(path, secrets.token_hex(8))
        return path.read_text()

    def _restore(self) -> None:
        for name in self._set:
            del os.environ[name]
        self._set.clear()
