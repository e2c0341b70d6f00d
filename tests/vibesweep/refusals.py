"""How a command that must be refused ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibesweep.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

__all__ = ["refused"]


def refused(words: Sequence[object], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines with which a refused command ends; stdout is empty, and the exit code 2."""
    capsys.readouterr()
    assert run([*map(str, words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert all(line.startswith("vibesweep: ") for line in lines)
    return [line.removeprefix("vibesweep: ") for line in lines]
