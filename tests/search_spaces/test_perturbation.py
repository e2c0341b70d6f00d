"""Neighbouring values on axes that can change while a trial trains."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from search_spaces.perturbation import perturbable, perturbed
from search_spaces.sweep_file import SweepFile


class Always(Random):
    """Draws up, or down, every time."""

    def __init__(self, *, up: bool) -> None:
        super().__init__(0)
        self.up = up

    def random(self) -> float:
        return 0.0 if self.up else 0.9


def space_of(**axes: Any) -> SweepFile:
    space = {path.replace("__", "."): axis for path, axis in axes.items()}
    return SweepFile.model_validate({"name": "x", "space": space, "search": {"mode": "random", "trials": 4}})


@pytest.mark.parametrize(
    ("axis", "value", "up", "expected"),
    [
        ({"range": [0.01, 0.2], "kind": "float"}, 0.1, True, 0.125),
        ({"range": [0.01, 0.2], "kind": "float", "scale": "log"}, 0.1, False, 0.08),
        # Inside the range; from an end the other way.
        ({"range": [0.01, 0.2], "kind": "float"}, 0.18, True, 0.2),
        ({"range": [0.01, 0.2], "kind": "float"}, 0.2, True, 0.16),
        ({"range": [0.0, 0.2], "kind": "float"}, 0.0, True, 0.0),
        ([0.4, 0.1, 0.2], 0.1, True, 0.2),
        ([0.4, 0.1, 0.2], 0.1, False, 0.4),
        ([0.4, 0.1, 0.2], 0.2, True, 0.1),
        # Copied from elsewhere: it has no neighbours.
        ([0.4, 0.1, 0.2], 0.3, True, 0.3),
    ],
)
def test_a_number_moves_to_its_neighbour(axis: Any, value: float, *, up: bool, expected: float) -> None:
    space = space_of(grpo__beta=axis).space
    assert perturbed(space, {"grpo.beta": value}, Always(up=up)) == {"grpo.beta": expected}


@pytest.mark.parametrize(
    ("scale", "value", "up", "expected"),
    [
        ("linear", 40, True, 50),
        ("linear", 40, False, 32),
        ("linear", 1, True, 2),
        ("linear", 2, False, 1),
        ("power_of_two", 8, True, 16),
        ("power_of_two", 8, False, 4),
        ("power_of_two", 64, True, 32),
    ],
)
def test_a_whole_number_moves_by_one_at_least(scale: str, value: int, *, up: bool, expected: int) -> None:
    space = space_of(grpo__top_k={"range": [1, 64], "kind": "int", "scale": scale}).space
    assert perturbed(space, {"grpo.top_k": value}, Always(up=up)) == {"grpo.top_k": expected}


def test_only_axes_that_can_change_while_a_trial_trains_move() -> None:
    space = space_of(
        lora__r=[4, 8], reward__mixture="guide", grpo__beta=[0.1, 0.2], noise__error_rate=[0.3],
        grpo__temperature={"range": [0.5, 1.5], "kind": "float"},
    ).space  # fmt: skip
    assert perturbable(space) == ["grpo.beta", "grpo.temperature"]
    # The temperature does not exist at this point.
    params = {"lora.r": 4, "reward.mixture": [0.2, 0.3, 0.5], "grpo.beta": 0.1, "noise.error_rate": 0.3}
    assert perturbed(space, params, Always(up=True)) == params | {"grpo.beta": 0.2}
