"""Axes as Optuna's parameters: both ends there and back, and every draw on its axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.distributions import Encoded, _Mixture, _PowerOfTwo, axis_parameters

if TYPE_CHECKING:
    from tests.cluster.conftest import MakeSweep


def decoded(parameters: Any, encoded: Encoded) -> Any:
    """What a trial with these values suggests."""
    trial = optuna.trial.FixedTrial(encoded.values)
    value = parameters.suggest(trial)
    assert trial.params == encoded.values
    assert trial.distributions == encoded.distributions
    return value


AXES = {
    "grpo.beta": ({"range": [0.0, 0.5], "kind": "float"}, (0.0, 0.5), 0.51),
    "optimizer.learning_rate": ({"range": [1e-5, 1e-3], "scale": "log", "kind": "float"}, (1e-5, 1e-3), 1e-6),
    "lora.r": ({"range": [4, 64], "scale": "log", "kind": "int"}, (4, 64), 65),
    "lora.alpha": ([8, 16, 16], (8.0, 16.0), 32.0),
    "lora.target_modules": ([["q_proj"], ["q_proj", "v_proj"]], (["q_proj"], ["q_proj", "v_proj"]), []),
}  # fmt: skip


@pytest.mark.parametrize("path", AXES)
def test_both_ends_of_an_axis_go_to_optuna_and_back(make_sweep: MakeSweep, path: str) -> None:
    axis, ends, outside = AXES[path]
    sweep = make_sweep(space={path: axis}, search={"mode": "optuna", "trials": 1})
    parameters = axis_parameters(sweep, path, sweep.space[path])
    for end in ends:
        assert decoded(parameters, parameters.encode(end)) == end
    with pytest.raises(ValueError, match=r"must lie in"):
        parameters.encode(outside)


def test_powers_of_two_are_drawn_by_their_exponent() -> None:
    parameters = _PowerOfTwo("lora.r", optuna.distributions.IntDistribution(2, 6))
    for value in (4, 8, 64):
        assert decoded(parameters, parameters.encode(value)) == value
    with pytest.raises(ValueError, match=r"must be a whole power of two, got 12"):
        parameters.encode(12)
    with pytest.raises(ValueError, match=r"must lie in"):
        parameters.encode(128)


@pytest.mark.parametrize(
    ("weights", "face", "num_sticks"),
    [
        ((0.2, 0.3, 0.5), "inside", 2),
        ((0.25, 0.75, 0.0), "format-schema", 1),
        ((0.25, 0.0, 0.75), "format-audio", 1),
        ((0.0, 0.999999, 0.000001), "schema-audio", 1),
        ((1.0, 0.0, 0.0), "format", 0),
        ((0.0, 0.0, 1.0), "audio", 0),
    ],
)
def test_each_face_of_the_mixture_has_its_own_sticks(
    weights: tuple[float, float, float], face: str, num_sticks: int
) -> None:
    parameters = _Mixture("reward.mixture", faces=True)
    encoded = parameters.encode(weights)
    assert encoded.values["reward.mixture:face"] == face
    assert len(encoded.values) == 1 + num_sticks
    assert decoded(parameters, encoded) == weights


def test_without_faces_there_are_two_sticks_and_no_zero() -> None:
    parameters = _Mixture("reward.mixture", faces=False)
    encoded = parameters.encode((0.2, 0.3, 0.5))
    # 1 - (1 - 0.2)^2 and 0.3 / 0.8.
    assert list(encoded.values.values()) == pytest.approx([0.36, 0.375], abs=1e-12)
    with pytest.raises(ValueError, match=r"must be > 0 on an axis without faces"):
        parameters.encode((0.5, 0.5, 0.0))


@given(units=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), ends=st.booleans())
def test_every_mixture_goes_there_and_back(units: tuple[int, int], ends: bool) -> None:
    low, high = sorted(units)
    weights = (low / 10**6, (high - low) / 10**6, (10**6 - high) / 10**6)
    parameters = _Mixture("reward.mixture", faces=True)
    assert decoded(parameters, parameters.encode(weights)) == weights


@given(face=st.sampled_from(["inside", "format-audio"]), sticks=st.tuples(*[st.floats(0, 1)] * 2))
def test_every_drawn_mixture_lies_on_its_face(face: str, sticks: tuple[float, float]) -> None:
    parameters = _Mixture("reward.mixture", faces=True)
    names = [f"reward.mixture:{face}:{weight}" for weight in ("format", "schema")]
    values: dict[str, Any] = {"reward.mixture:face": face} | dict(zip(names, sticks, strict=True))
    drawn = parameters.suggest(optuna.trial.FixedTrial(values))
    assert round(sum(drawn), 9) == 1
    assert parameters.encode(drawn).values["reward.mixture:face"] == face
