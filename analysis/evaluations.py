"""Every held-out evaluation of a sweep, as arrays whose axes all evaluations share.

Completions are aligned by held-out vibe (prompt id) and sample. These share their decoding noise, so
that two evaluations can be compared completion by completion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Scores
    from common.objective import ObjectiveConfig

__all__ = [
    "EVALUATION_COLUMNS",
    "CellMeans",
    "EvaluationKey",
    "Evaluations",
    "Mask",
    "cell_means",
    "held_out_evaluations",
    "objective_cells",
    "shared_scores",
]

Mask = npt.NDArray[np.bool_]


class EvaluationKey(NamedTuple):
    """Which trial was evaluated after how many optimizer steps."""

    trial_id: str
    step: int


@dataclass(frozen=True)
class Evaluations:
    """Raw components of E evaluations on V vibes with J samples each; arrays are [E, V, J]."""

    keys: tuple[EvaluationKey, ...]
    """[E] in order of trial id, then step."""
    prompt_ids: tuple[str, ...]
    """[V]"""
    format: Scores
    schema: Scores
    audio: Scores
    """0 where not rendered."""
    rendered: Mask
    """Whether the config could be rendered, so that `audio` was scored."""
    scored: Mask
    """Whether the completion has its components; the others count nowhere, least of all as zero."""
    unscored: Mask
    """Whether there is a completion that could not be scored."""

    @property
    def scored_vibes(self) -> Mask:
        """[V] whether a vibe has a score in every evaluation."""
        return vibes_in_all(self.scored)

    @cached_property
    def _index(self) -> dict[EvaluationKey, int]:
        return {key: index for index, key in enumerate(self.keys)}

    def last_steps(self) -> dict[str, int]:
        """Each trial's last evaluated step."""
        return dict(self.keys)

    def select(self, keys: Sequence[EvaluationKey]) -> Evaluations:
        """Some of the evaluations, in the order given."""
        index = [self._index[key] for key in keys]
        return Evaluations(
            keys=tuple(keys),
            prompt_ids=self.prompt_ids,
            format=self.format[index],
            schema=self.schema[index],
            audio=self.audio[index],
            rendered=self.rendered[index],
            scored=self.scored[index],
            unscored=self.unscored[index],
        )


EVALUATION_COLUMNS: Final = (
    "trial_id", "step", "prompt_id", "sample", "format", "schema", "audio", "unscored_reason",
)  # fmt: skip
"""What aligning held-out rows takes."""


def held_out_evaluations(rows: pa.Table) -> Evaluations:
    """Align held-out rows.

    A row without a reason whose components are missing or not finite is unscored too.

    Args:
        rows: EVALUATION_COLUMNS of held-out rows, at least, in any order.
    """
    trial_ids, trial = _codes(rows["trial_id"])
    prompt_ids, prompt = _codes(rows["prompt_id"])
    samples, sample = np.unique(rows["sample"].to_numpy(), return_inverse=True)
    pairs, evaluation = np.unique(
        np.stack([trial, rows["step"].to_numpy()], axis=1), axis=0, return_inverse=True
    )
    shape, at = (len(pairs), len(prompt_ids), len(samples)), (evaluation, prompt, sample)

    def cube(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        filled = np.zeros(shape, values.dtype)
        filled[at] = values
        return filled

    # Null becomes NaN here. A null audio of a scored completion means: could not be rendered.
    format_, schema, audio = (rows[name].to_numpy() for name in ("format", "schema", "audio"))
    rendered = np.isfinite(audio)
    scored = (
        np.isfinite(format_)
        & np.isfinite(schema)
        & (rendered | rows["audio"].is_null().to_numpy())
        & rows["unscored_reason"].is_null().to_numpy()
    )
    return Evaluations(
        keys=tuple(EvaluationKey(trial_ids[t], int(step)) for t, step in pairs),
        prompt_ids=prompt_ids,
        format=cube(np.where(scored, format_, 0.0)),
        schema=cube(np.where(scored, schema, 0.0)),
        audio=cube(np.where(scored & rendered, audio, 0.0)),
        rendered=cube(scored & rendered),
        scored=cube(scored),
        unscored=cube(~scored),
    )


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """A column's distinct values in order, and each row's index among them."""
    column = column.cast(pa.string())
    values = pc.unique(column).sort()
    return tuple(values.to_pylist()), pc.index_in(column, values).to_numpy().astype(np.int64)


def vibes_in_all(counted: Mask) -> Mask:
    """[V] whether a vibe has a counted completion, [E, V, J], in every evaluation."""
    return np.asarray(counted.any(axis=2).all(axis=0))


class CellMeans(NamedTuple):
    """Means over the samples of each seed and vibe; arrays are [S, V], every value finite."""

    format: Scores
    schema: Scores
    valid: Scores
    """Share of the completions that are whole contract-valid payloads: format and schema are 1."""
    rendered: Scores
    """Share of the completions whose config could be rendered."""
    rendered_audio: Scores
    """Audio component, 0 where not rendered."""

    def averaged_over_seeds(self) -> CellMeans:
        """The means over the seeds, as [1, V]."""
        return CellMeans(*(values.mean(0, keepdims=True) for values in self))

    @property
    def audio_over_rendered(self) -> float | None:
        """Mean audio component of the rendered completions; None where there is none."""
        share = float(self.rendered.mean())
        return float(self.rendered_audio.mean()) / share if share > 0 else None


def cell_means(arm: Evaluations, counted: Mask, vibes: Mask) -> CellMeans:
    """Average the counted completions of each seed and vibe.

    Args:
        arm: one configuration's evaluations, one per seed.
        counted: [S, V, J] completions that count.
        vibes: [V] vibes that are kept; each has a counted completion in every seed.
    """
    kept = counted[:, vibes]
    valid = (arm.format == 1) & (arm.schema == 1)

    def means(values: npt.NDArray[Any]) -> Scores:
        return np.asarray(np.where(kept, values[:, vibes], 0.0).sum(-1) / kept.sum(-1))

    return CellMeans(*map(means, (arm.format, arm.schema, valid, arm.rendered, arm.audio)))


def objective_cells(cells: CellMeans, objective: ObjectiveConfig) -> Scores:
    """The objective of each seed and vibe, [S, V]: `common.objective.objective_value`, averaged."""
    weights = objective.weights
    audio = cells.rendered_audio + objective.audio_floor * (1 - cells.rendered)
    return (
        weights.format_weight * cells.format
        + weights.schema_weight * cells.schema
        + weights.audio_weight * audio
    )


def shared_scores(arms: Sequence[Evaluations], objective: ObjectiveConfig) -> list[Scores]:
    """The objective of several configurations on the vibes that are scored in all of them.

    Args:
        arms: one or more configurations of one ledger, each with an evaluation per seed.
        objective: weights and floor.

    Returns:
        One [S, V] array per configuration, the same V >= 2 vibes in all; none with fewer such vibes.
    """
    if not arms:
        return []
    vibes = np.logical_and.reduce([arm.scored_vibes for arm in arms])
    if vibes.sum() < 2:
        return []
    return [objective_cells(cell_means(arm, arm.scored, vibes), objective) for arm in arms]
