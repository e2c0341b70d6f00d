"""The bar on stderr that shows how far a command is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress"]


@contextmanager
def progress(total: float, unit: str, done: int = 0) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, if that is a terminal; it is gone at the end.

    Args:
        total: how much there is to do, in the unit.
        unit: what is counted, such as `lines`.
        done: how much of it was there before.

    Yields:
        To be called with what was done since the last call.
    """
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        TextColumn(f"{{task.completed:.0f}} of {{task.total:.0f}} {unit}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(unit, total=total, completed=done)
        yield lambda more: bar.advance(task, more)
