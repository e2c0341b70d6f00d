"""`sweep.json`: the resolved sweep, what it ran on, and what makes two sweeps the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import model_validator

from common.model import FrozenModel
from common.records import write_text_atomically
from search_spaces.axes import GridAxis
from search_spaces.sweep_file import SweepFile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SWEEP_RECORD", "SweepRecord", "fingerprint"]

SWEEP_RECORD: Final = "sweep.json"

_NOT_DECISIVE: Final = (
    "storage",
    "resources",
    "budget",
    "data",
    "rows",
    "rows_file",
    "prompts",
    "prompts_file",
)

_PROMPT_NAMES: Final = ("prompts.config_generation", "prompts.vibe_extraction")


class SweepRecord(FrozenModel):
    """What a sweep directory says about its sweep."""

    format: Literal["1"] = "1"
    """Version of this file's layout."""
    sweep: SweepFile
    """The sweep as it runs: axes parsed, paths absolute."""
    data_sha256: dict[str, str]
    """Split to the hash of its file."""
    versions: dict[str, str]
    """Distribution to installed version."""
    git_revision: str | None
    """Commit of the code, `-dirty` behind it where files were changed; None outside a checkout."""
    fingerprint: str
    """What is searched, on which data; equal for the same resolved sweep."""

    @model_validator(mode="before")
    @classmethod
    def _a_grid_has_no_sampler(cls, raw: Any) -> Any:
        """The first sweeps noted the default sampler for a grid too, which draws nothing."""
        match raw:
            case {"sweep": {"search": {"mode": "grid", "sampler": "tpe"} as search} as sweep}:
                return raw | {"sweep": sweep | {"search": search | {"sampler": None}}}
        return raw

    def write(self, directory: Path) -> None:
        """Write `sweep.json`, atomically."""
        write_text_atomically(directory / SWEEP_RECORD, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> SweepRecord | None:
        """The record in a sweep directory; None where there is none.

        Raises:
            pydantic.ValidationError: another version's record, or no record at all.
        """
        path = directory / SWEEP_RECORD
        return cls.model_validate_json(path.read_text()) if path.is_file() else None


def fingerprint(sweep: SweepFile, data_sha256: dict[str, str]) -> str:
    """SHA-256 of what decides the outcome, 64 hex digits.

    Left out: where the sweep is stored, on how many machines it runs, what it may cost, and where its data
    lie (a job's working directory is another one each time); the data's content counts instead. Rows of the
    tables count by the axes that were made from them, and of the user's prompts those that the sweep names.

    Left out are the sentinels' thresholds, unless they stop trials, and greedy and constrained decoding,
    which only add rows that count for nothing.

    Left out too is how many points a random or learning search takes: its first points do not depend on it,
    so a finished sweep goes on with more trials in the same directory. With pbt it decides, because every
    trial is compared with all others. The mirror is only written.
    """
    content = sweep.model_dump(mode="json", exclude=set(_NOT_DECISIVE))
    left_out = ("mirror",) if sweep.scheduler.type == "pbt" else ("trials", "mirror")
    content["search"] = {key: value for key, value in content["search"].items() if key not in left_out}
    content["base"] = {
        path: value for path, value in content["base"].items() if not path.startswith("infra.")
    }
    # Each worker adds a batch to every step.
    if (workers := sweep.base_config().infra.workers) > 1:
        content["base"]["workers"] = workers
    for decoding in ("greedy", "constrained"):
        del content["objective"][decoding]
    # They mark trials in a ranking that is made from the ledger; only a stop changes what runs.
    if not sweep.objective.sentinels.stop:
        del content["objective"]["sentinels"]
    if prompts := _named_prompts(sweep):
        content["prompts"] = prompts
    text = json.dumps([content, data_sha256], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _named_prompts(sweep: SweepFile) -> dict[str, str]:
    """The texts of the user's prompts that the sweep names."""
    names = {sweep.base.get(path) for path in _PROMPT_NAMES}
    for path in _PROMPT_NAMES:
        if isinstance(axis := sweep.space.get(path), GridAxis):
            names |= set(axis.grid)
    return {name: prompt.template for name, prompt in sweep.prompts.items() if name in names}
