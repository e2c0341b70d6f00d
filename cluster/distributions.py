"""Axes as Optuna's parameters: the one place where a value of ours becomes values of Optuna's, and back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces.axes import GridAxis
from search_spaces.mixture import MixtureAxis
from search_spaces.points import held_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    import optuna

    from search_spaces.axes import Axis
    from search_spaces.sweep_file import SweepFile

__all__ = ["AxisParameters", "Encoded", "axis_parameters", "encode_all"]


class Encoded(NamedTuple):
    """One axis value as Optuna holds it."""

    values: dict[str, Any]
    """Optuna parameter to value."""
    distributions: dict[str, BaseDistribution]
    """Optuna parameter to the distribution it was drawn from."""


class AxisParameters(Protocol):
    """How one axis is drawn by Optuna; `encode` is the inverse of `suggest`."""

    def suggest(self, trial: optuna.trial.BaseTrial) -> Any:
        """Draw the axis's value for a trial."""
        ...

    def encode(self, value: Any) -> Encoded:
        """The parameters that stand for an axis value.

        Raises:
            ValueError: the value does not lie on the axis.
        """
        ...


def axis_parameters(sweep: SweepFile, path: str, axis: Axis) -> AxisParameters:
    """How Optuna draws the axis of a setting; both ends of a range are included."""
    if isinstance(axis, GridAxis):
        # As TrainingConfig holds them, so that what was stored is found again: 16 may become 16.0.
        texts = [json.dumps(held_value(sweep, path, value)) for value in axis.grid]
        return _Listed(path, CategoricalDistribution(list(dict.fromkeys(texts))))
    if isinstance(axis, MixtureAxis):
        return _Mixture(path, faces=axis.faces)
    low, high = axis.range
    if axis.scale == "power_of_two":
        return _PowerOfTwo(path, IntDistribution(_exponent(low), _exponent(high)))
    if axis.kind == "int":
        return _Number(path, IntDistribution(int(low), int(high), log=axis.scale == "log"))
    return _Number(path, FloatDistribution(low, high, log=axis.scale == "log"))


def encode_all(parameters: Mapping[str, AxisParameters], params: Mapping[str, Any]) -> Encoded:
    """A point's values as Optuna holds them; axes that the point does not have are left out.

    Raises:
        ValueError: a value that does not lie on its axis.
    """
    whole = Encoded({}, {})
    for path, value in params.items():
        one = parameters[path].encode(value)
        whole.values.update(one.values)
        whole.distributions.update(one.distributions)
    return whole


@dataclass(frozen=True)
class _Listed:
    """A categorical over the values' JSON texts: some values are lists, which Optuna cannot hold."""

    name: str
    distribution: CategoricalDistribution

    def suggest(self, trial: optuna.trial.BaseTrial) -> Any:
        return json.loads(_suggest(trial, self.name, self.distribution))

    def encode(self, value: Any) -> Encoded:
        return _checked({self.name: json.dumps(value)}, {self.name: self.distribution})


@dataclass(frozen=True)
class _Number:
    name: str
    distribution: IntDistribution | FloatDistribution

    def suggest(self, trial: optuna.trial.BaseTrial) -> Any:
        return _suggest(trial, self.name, self.distribution)

    def encode(self, value: Any) -> Encoded:
        return _checked({self.name: value}, {self.name: self.distribution})


@dataclass(frozen=True)
class _PowerOfTwo:
    """Whole powers of two; Optuna draws the exponent."""

    name: str
    distribution: IntDistribution

    def suggest(self, trial: optuna.trial.BaseTrial) -> Any:
        return 2 ** _suggest(trial, self.name, self.distribution)

    def encode(self, value: Any) -> Encoded:
        return _checked({self.name: _exponent(value)}, {self.name: self.distribution})


_WEIGHTS: Final = ("format", "schema", "audio")
_FACES: Final[dict[str, tuple[int, ...]]] = {
    "inside": (0, 1, 2),
    "format-schema": (0, 1),
    "format-audio": (0, 2),
    "schema-audio": (1, 2),
    "format": (0,),
    "schema": (1,),
    "audio": (2,),
}
"""The faces of the simplex, each with the weights that are not zero on it."""

_UNITS: Final = 10**6
"""Weights are whole millionths."""
_STICK: Final = FloatDistribution(0.0, 1.0)


@dataclass(frozen=True)
class _Mixture:
    """(format, schema, audio) weights that sum to 1: a face of the simplex, then sticks to break on it.

    Each face has sticks of its own, so that what is learned on an edge says nothing about the inside. On
    the inside the first weight is 1 - sqrt(1 - u): uniform u then spread the weights evenly.
    """

    path: str
    faces: bool
    """Whether edges and corners are drawn too."""

    def suggest(self, trial: optuna.trial.BaseTrial) -> tuple[float, float, float]:
        face = "inside"
        if self.faces:
            face = _suggest(trial, self._name("face"), CategoricalDistribution(list(_FACES)))
        sticks = [_suggest(trial, name, _STICK) for name in self._sticks(face)]
        units = [0, 0, 0]
        left = _UNITS
        *places, last = _FACES[face]
        for place, stick in zip(places, sticks, strict=True):
            share = 1 - math.sqrt(1 - stick) if len(places) == 2 and place == places[0] else stick
            below = len(places) - places.index(place)
            # At least a millionth for each weight of the face: a 0 would lie on another one.
            units[place] = min(max(round(left * share), 1), left - below)
            left -= units[place]
        units[last] = left
        first, second, third = (unit / _UNITS for unit in units)
        return first, second, third

    def encode(self, value: Any) -> Encoded:
        units = [round(weight * _UNITS) for weight in value]
        there = tuple(place for place, unit in enumerate(units) if unit)
        if not (len(units) == 3 and min(units) >= 0 and sum(units) == _UNITS):
            raise ValueError(f"{self.path}: weights must be three >= 0 that sum to 1, got {value!r}")
        if not (self.faces or len(there) == 3):
            raise ValueError(f"{self.path}: weights must be > 0 on an axis without faces, got {value!r}")
        face = next(name for name, places in _FACES.items() if places == there)
        values: dict[str, Any] = {self._name("face"): face} if self.faces else {}
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(list(_FACES)) for name in values
        }
        first = units[there[0]] / _UNITS
        sticks = [first] if len(there) < 3 else [1 - (1 - first) ** 2, units[1] / (_UNITS - units[0])]
        for name, stick in zip(self._sticks(face), sticks, strict=False):
            values[name] = stick
            distributions[name] = _STICK
        return _checked(values, distributions)

    def _sticks(self, face: str) -> list[str]:
        return [self._name(f"{face}:{_WEIGHTS[place]}") for place in _FACES[face][:-1]]

    def _name(self, part: str) -> str:
        return f"{self.path}:{part}"


def _suggest(trial: optuna.trial.BaseTrial, name: str, distribution: BaseDistribution) -> Any:
    """Draw one parameter, through Optuna's public methods."""
    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution():
            return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        case FloatDistribution():
            return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    raise AssertionError(f"no axis has the distribution {distribution}")


def _checked(values: dict[str, Any], distributions: dict[str, BaseDistribution]) -> Encoded:
    """The values, seen to lie in their distributions."""
    for name, distribution in distributions.items():
        try:
            inside = distribution._contains(distribution.to_internal_repr(values[name]))
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise ValueError(f"{name}: must lie in {distribution}, got {values[name]!r}")
    return Encoded(values, distributions)


def _exponent(value: float) -> int:
    """log2 of a whole power of two.

    Raises:
        ValueError: it is none.
    """
    mantissa, exponent = math.frexp(value)
    if mantissa != 0.5:
        raise ValueError(f"must be a whole power of two, got {value!r}")
    return exponent - 1
