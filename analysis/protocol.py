"""Whether two sweeps were evaluated alike, so that their scores can be compared, and what else differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from common.training_config import flatten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.sweep import Sweep

__all__ = ["SweepDifference", "other_differences", "protocol_differences"]

_NO_MATTER: Final = ("batch_size", "greedy", "constrained", "max_unscored_share", "metric", "sentinels")
"""Parts of an objective that change no score of a held-out completion."""
_SUBSET: Final = "num_vibes"
"""Fewer vibes of the same file: the ones that both have can be compared."""


class SweepDifference(NamedTuple):
    """One thing in which two sweeps differ; a value that a sweep does not have is None."""

    what: str
    first: Any
    second: Any


def protocol_differences(
    one: Sweep, other: Sweep, *, names: tuple[str, str], shared_vibes_suffice: bool = False
) -> list[str]:
    """Why the scores of two sweeps cannot be compared, a phrase each; nothing where they can.

    Args:
        one: a stored sweep.
        other: another.
        names: what to call them.
        shared_vibes_suffice: whether other numbers of vibes of the same file do no harm, because only those
            that both have are looked at.
    """
    ignored = (*_NO_MATTER, *((_SUBSET,) if shared_vibes_suffice else ()))
    found = _different(*(flatten(sweep.objective.model_dump(mode="json")) for sweep in (one, other)))
    found = [entry for entry in found if entry.what.partition(".")[0] not in ignored]
    # Rules decide which configurations take part in one ranking.
    if not shared_vibes_suffice and one.objective.sentinels != other.objective.sentinels:
        found.append(SweepDifference("sentinels", "its own rules", "others"))
    differences = [
        f"objective ({entry.what} is {entry.first} in {names[0]} and {entry.second} in {names[1]})"
        for entry in found
    ]
    held_out = [sweep.record.data_sha256.get("held_out") for sweep in (one, other)]
    if held_out[0] != held_out[1]:
        differences.append(
            f"held-out set ({_short(held_out[0])} in {names[0]} and {_short(held_out[1])} in {names[1]})"
        )
    ids = [sweep.last_evaluations(["scorer_id", "renderer_id"]) for sweep in (one, other)]
    for column, noun in (("scorer_id", "scorer"), ("renderer_id", "renderer")):
        seen = [sorted(set(table[column].to_pylist())) for table in ids]
        if all(seen) and seen[0] != seen[1]:
            first, second = (", ".join(values) for values in seen)
            differences.append(f"{noun} ({first} in {names[0]} and {second} in {names[1]})")
    return differences


def other_differences(one: Sweep, other: Sweep) -> list[SweepDifference]:
    """In what else two sweeps differ: settings, search, data, versions of what ran them."""
    return _different(_described(one), _described(other))


def _described(sweep: Sweep) -> dict[str, Any]:
    record = sweep.record
    content = record.sweep.model_dump(
        mode="json",
        exclude={"name", "rows", "rows_file", "prompts_file", "storage", "objective", "data", "base"},
    )
    axes = content.pop("space")
    base = flatten(record.sweep.base_config().model_dump(mode="json"))
    described = {f"base.{path}": value for path, value in base.items()}
    # An axis is one thing, however it is spelled.
    described |= {f"space.{path}": next(iter(axis.values()), None) for path, axis in axes.items()}
    described |= {"seeds": content.pop("seeds"), "constraints": content.pop("constraints")}
    described |= flatten(content)
    described |= {f"data.{split}": _short(digest) for split, digest in record.data_sha256.items()}
    described |= {f"version.{name}": version for name, version in record.versions.items()}
    return described | {"code": record.git_revision}


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[SweepDifference]:
    paths = dict.fromkeys([*one, *other])
    return [
        SweepDifference(path, one.get(path), other.get(path))
        for path in paths
        if one.get(path) != other.get(path)
    ]


def _short(digest: str | None) -> str:
    return "none" if digest is None else f"{digest[:12]}…"
