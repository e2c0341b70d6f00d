"""A few completions of every evaluation to be read and heard: the same held-out vibes each time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from rewards.plugins import load_callable
from rewards.schema import renderable_config
from rewards.text import first_json_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from common.ledger import LedgerRow
    from common.music_schema import MusicConfig
    from common.reward_config import ClapScorerConfig
    from common.training_config import LoggingConfig

__all__ = ["CLIP_RATE", "Shown", "shown_completions"]

CLIP_RATE: Final = 22_050
"""Hz of the clips. One of 10 s takes 441 kB of the event file."""
_LONGEST_S: Final = 10.0

_log = logging.getLogger(__name__)


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
        scorer: the evaluation's, whose renderer and seed make the clips. It renders in other processes, for
            CLAP's sample rate, and keeps no sound: what is heard here is rendered again.
    """
    first = [row for row in rows if row.sample == 0]
    texts, clips = logging_config.text_samples, logging_config.audio_clips
    return [
        Shown(place, row, _clip(row, scorer) if place <= clips else None)
        for place, row in enumerate(first[: max(texts, clips)], start=1)
    ]


def _clip(row: LedgerRow, scorer: ClapScorerConfig) -> npt.NDArray[np.float32] | None:
    config = renderable_config(first_json_object(row.completion)[0])
    if config is None:
        return None
    try:
        return _rendered(config, scorer)
    except (
        Exception
    ) as error:  # a user's renderer may raise anything; a trial does not fail for a missing clip
        _log.warning("no clip of %r at step %d: %s: %s", row.vibe, row.step, type(error).__name__, error)
        return None


def _rendered(config: MusicConfig, scorer: ClapScorerConfig) -> npt.NDArray[np.float32]:
    """[S] mono sound of one config, each sample in [-1, 1]."""
    with torch.inference_mode():
        sound = load_callable(scorer.renderer)(
            [config],
            seconds=min(scorer.seconds, _LONGEST_S),
            sample_rate=CLIP_RATE,
            device=torch.device("cpu"),
            seed=scorer.render_seed,
        )
        clip: npt.NDArray[np.float32] = sound[0].mean(dim=0).clamp(-1, 1).cpu().float().numpy()
    return clip
