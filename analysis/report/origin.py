"""What it takes to run a sweep, or one of its configurations, again."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

import yaml

from analysis.report.data import Setting
from analysis.summary import short_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["MAX_SETTINGS", "commands", "provenance", "settings_of_the_best", "sweep_file"]

MAX_SETTINGS: Final = 10
"""Configurations whose settings are in the page."""


def settings_of_the_best(sweep: Sweep, ranking: Ranking, ids: Mapping[int, str]) -> tuple[Setting, ...]:
    """The settings of the first configurations.

    Args:
        sweep: a stored sweep.
        ranking: its ranking.
        ids: `id` of a ranked row to the id of its row in the page.
    """
    records = {trial.record.trial_id: trial.record for trial in sweep.trials}
    found = []
    for row in ranking.configurations[:MAX_SETTINGS]:
        config = row.changes[-1].config if row.changes else records[row.trial_ids[0]].config
        found.append(
            Setting(
                row=ids[id(row)],
                rank=row.rank,
                name=short_name(row),
                params={path: _plain(value) for path, value in row.params.items()},
                changed=bool(row.changes),
                json_text=config.model_dump_json(indent=2),
                file_name=f"{sweep.name}-rank-{row.rank}.json",
            )
        )
    return tuple(found)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def sweep_file(sweep: Sweep) -> str:
    """The sweep as YAML that `sweep run` takes; what has its default is left out, and where it was stored."""
    content = sweep.record.sweep.model_dump(mode="json", exclude_defaults=True)
    content.pop("storage", None)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def commands(sweep: Sweep) -> tuple[str, ...]:
    """What to type, in this order, with the sweep file at hand."""
    revision = (sweep.record.git_revision or "").removesuffix("-dirty")
    return (
        *([f"git checkout {revision}"] if revision else []),
        "pip install --constraint constraints.txt .",
        f"vibesweep sweep run {shlex.quote(f'{sweep.name}.yaml')}",
    )


def provenance(sweep: Sweep, ranking: Ranking) -> dict[str, str]:
    """What it ran on: revision, hashes, versions."""
    record = sweep.record
    revision = record.git_revision or "not a checkout"
    if revision.endswith("-dirty"):
        revision += " (files were changed: the commit alone does not reproduce it)"
    facts = {"git revision": revision, "fingerprint of the sweep": record.fingerprint}
    facts |= {
        f"SHA-256 of the {split.replace('_', '-')} data": digest
        for split, digest in record.data_sha256.items()
    }
    facts |= {"scorer and renderer": "; ".join(ranking.scorers) or "none"}
    facts |= {f"{name} version": version for name, version in record.versions.items()}
    return facts
