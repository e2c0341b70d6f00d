"""The lines of a training run: each step's own numbers, and none twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.progress_lines import ProgressLines
from trainables.spec import Progress

if TYPE_CHECKING:
    import pytest


def test_a_line_has_only_what_was_measured_since_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines()
    lines(Progress(0, 3, None, 0.1, 1.0, 0))
    lines(Progress(1, 3, 0.2, 0.1, 2.0, 0, reward_step=1))
    lines(Progress(2, 3, 0.2, 0.3, 3.0, 2, reward_step=1))  # evaluated before its own reward is logged
    lines(Progress(2, 3, 0.4, 0.3, 3.0, 2, reward_step=2))
    lines(Progress(3, 3, 0.4, 0.3, 4.0, 2, reward_step=2))  # a step on rollouts that were told before
    assert capsys.readouterr().err.splitlines() == [
        "step 0/3  held-out objective 0.100  1 s",
        "step 1/3  reward 0.200  2 s",
        "step 2/3  held-out objective 0.300  3 s",
        "step 2/3  reward 0.400  3 s",
        "step 3/3  4 s",
    ]


def test_fine_tuning_tells_its_losses(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines()
    lines(Progress(0, 2, None, None, 0.0, validation_loss=2.5))
    lines(Progress(1, 2, None, None, 1.0, loss=2.25))
    lines(Progress(1, 2, None, None, 1.0, notice="goes on from step 1"))
    assert capsys.readouterr().err.splitlines() == [
        "step 0/2  validation loss 2.500  0 s",
        "step 1/2  loss 2.250  1 s",
        "step 1/2  goes on from step 1  1 s",
    ]
