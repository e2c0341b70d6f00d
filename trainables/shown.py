"""A few completions of every evaluation to be read and heard: the same held-out vibes each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from trainables.clips import sound_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from common.ledger import LedgerRow
    from common.reward_config import ClapScorerConfig
    from common.training_config import LoggingConfig

__all__ = ["CLIP_RATE", "Shown", "shown_completions"]

CLIP_RATE: Final = 22_050
"""Hz of the clips. One of 10 s takes 441 kB of the event file."""


class Shown(NamedTuple):
    """One completion to look at."""

    place: int
    """Which of the held-out vibes, from 1."""
    row: LedgerRow
    clip: npt.NDArray[np.float32] | None
    """[S] mono at CLIP_RATE; None where its config cannot be rendered, or no clip was asked for."""

    @property
    def summary(self) -> str:
        """The vibe and the components, in one line."""
        row = self.row
        components = {"format": row.format, "schema": row.schema, "audio": row.audio}
        known = [f"{name} {value:.3f}" for name, value in components.items() if value is not None]
        return ", ".join([f'"{row.vibe}"', *known, *filter(None, [row.unscored_reason])])


def shown_completions(
    rows: Sequence[LedgerRow], logging_config: LoggingConfig, scorer: ClapScorerConfig
) -> list[Shown]:
    """The first sample of the first vibes, with its sound for the first of these.

    Args:
        rows: of one evaluation, in the order of its vibes.
        logging_config: says how many texts and how many clips.
        scorer: the evaluation's, whose renderer and seed make the clips.
    """
    first = [row for row in rows if row.sample == 0]
    texts, clips = logging_config.text_samples, logging_config.audio_clips
    return [
        Shown(place, row, _clip(row, scorer) if place <= clips else None)
        for place, row in enumerate(first[: max(texts, clips)], start=1)
    ]


def _clip(row: LedgerRow, scorer: ClapScorerConfig) -> npt.NDArray[np.float32] | None:
    """[S] mono."""
    sound = sound_of(row, scorer, sample_rate=CLIP_RATE)
    if sound is None:
        return None
    mono: npt.NDArray[np.float32] = sound.mean(dim=0).numpy()
    return mono
