"""Completions for the same held-out vibes, and the clips that their trials kept of them."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analysis.report.data import Take, Vibe
from common.clips import CLIPS_FOLDER, clip_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.ranking import RankedRow
    from analysis.sweep import Sweep

__all__ = ["MAX_CONFIGURATIONS", "MAX_VIBES", "Samples", "Shown", "collect_samples"]

MAX_CONFIGURATIONS: Final = 6
"""Shown beside the baselines; with four vibes and 120 kB a clip they make 6 MB of sound."""
MAX_VIBES: Final = 4
_LONGEST_TEXT: Final = 6_000
_COLUMNS: Final = (
    "trial_id", "prompt_id", "sample", "vibe", "completion", "format", "schema", "audio", "unscored_reason",
)  # fmt: skip
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Shown:
    """A row of the leaderboard whose completions are shown."""

    id: str
    name: str
    row: RankedRow

    @property
    def trial_id(self) -> str:
        """Of its first seed, or the baseline's."""
        return self.row.trial_ids[0]


@dataclass(frozen=True)
class Samples:
    """What was written for a few vibes, and how it sounds."""

    vibes: tuple[Vibe, ...]
    clips: dict[str, str]
    """Key to the file, in base64."""
    note: str
    """What is left out, and why; empty where nothing is."""


def collect_samples(sweep: Sweep, shown: Sequence[Shown], *, num_left_out: int, audio: bool) -> Samples:
    """Collect the first sample of the first vibes, those with clips before the others.

    Args:
        sweep: a stored sweep.
        shown: whose completions.
        num_left_out: configurations that are ranked and not among them.
        audio: whether the page gets the sounds.
    """
    chosen = {one.trial_id for one in shown}
    trials = tuple(trial for trial in sweep.trials if trial.record.trial_id in chosen)
    rows = replace(sweep, trials=trials).last_evaluations(_COLUMNS).to_pylist()
    by_trial: dict[str, dict[str, dict[str, Any]]] = {trial_id: {} for trial_id in chosen}
    for row in rows:
        if row["sample"] == 0:
            by_trial[row["trial_id"]][row["prompt_id"]] = row
    folders = {
        one.trial_id: sweep.folder / "trials" / one.trial_id / CLIPS_FOLDER for one in shown if one.trial_id
    }
    files = {trial_id: set(folder.files()) for trial_id, folder in folders.items()}
    heard = set().union(*files.values())
    prompts = list(dict.fromkeys(prompt for one in shown for prompt in by_trial[one.trial_id]))
    prompts.sort(key=lambda prompt: clip_name(prompt) not in heard)

    vibes, clips = [], {}
    for prompt in prompts[:MAX_VIBES]:
        takes = []
        for one in shown:
            row = by_trial[one.trial_id].get(prompt)
            if row is None:
                continue
            key = None
            if audio and clip_name(prompt) in files[one.trial_id]:
                key = f"{one.id}-{prompt}"
                content = folders[one.trial_id].read_bytes(clip_name(prompt))
                clips[key] = base64.b64encode(content or b"").decode()
            takes.append(_take(one, row, key))
        text = next(
            by_trial[one.trial_id][prompt]["vibe"] for one in shown if prompt in by_trial[one.trial_id]
        )
        vibes.append(Vibe(prompt_id=prompt, text=text, takes=tuple(takes)))
    note = _note(num_left_out, len(prompts) - len(vibes), any_clip=bool(heard), audio=audio)
    return Samples(tuple(vibes), clips, note)


def _note(num_rows: int, num_vibes: int, *, any_clip: bool, audio: bool) -> str:
    notes = []
    if num_rows > 0:
        notes.append(f"Of the configurations the best {MAX_CONFIGURATIONS} are here; {num_rows} are not.")
    if num_vibes > 0:
        notes.append(
            f"Of the held-out vibes the first {MAX_VIBES} are here; the ledger has what was written for the "
            f"other {num_vibes}, and `vibesweep render` makes sound of it."
        )
    if not any_clip:
        notes.append("This sweep kept no clips (an earlier version ran it), so there is nothing to play.")
    elif not audio:
        notes.append("The sounds were left out with `--no-audio`; they lie in trials/*/clips.")
    return " ".join(notes)


def _take(one: Shown, row: Mapping[str, Any], clip: str | None) -> Take:
    payload = _payload(row["completion"])
    text = row["completion"] if payload is None else json.dumps(payload, indent=2, ensure_ascii=False)
    title = payload.get("title") if payload else None
    return Take(
        row=one.id,
        name=one.name,
        seed=one.row.seeds[0] if one.row.kind == "trial" else None,
        title=title if isinstance(title, str) and title.strip() else None,
        palettes=_palettes(payload),
        text=text[:_LONGEST_TEXT],
        is_cut=len(text) > _LONGEST_TEXT,
        format=row["format"],
        schema_=row["schema"],
        audio=row["audio"],
        unscored=row["unscored_reason"],
        clip=clip,
    )


def _payload(completion: str) -> dict[str, Any] | None:
    """The completion as an object, where it is one as a whole."""
    try:
        payload = json.loads(completion)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _palettes(payload: Mapping[str, Any] | None) -> tuple[tuple[str, ...], ...]:
    """The colors of each palette; a policy may have written anything there."""
    palettes = payload.get("palettes") if payload else None
    found = []
    for palette in palettes if isinstance(palettes, list) else []:
        colors = palette.get("colors") if isinstance(palette, dict) else None
        shades = (
            [color.get("hex") for color in colors if isinstance(color, dict)]
            if isinstance(colors, list)
            else []
        )
        if kept := tuple(s for s in shades if isinstance(s, str) and _COLOR.fullmatch(s)):
            found.append(kept)
    return tuple(found)
