"""How completions sound: rendered again for people, and kept beside a trial to be listened to later."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from common.clips import CLIPS_FOLDER, clip_name
from common.durable import replace_durably
from rewards.plugins import load_callable
from rewards.schema import renderable_config
from rewards.text import first_json_object
from trainables.workers import is_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.ledger import LedgerRow
    from common.reward_config import ClapScorerConfig

__all__ = ["NUM_CLIPS", "keep_clips", "sound_of"]

NUM_CLIPS: Final = 4
"""Held-out vibes whose clips are kept: a few hundred kB and two seconds of a core for each trial."""
LONGEST_S: Final = 10.0
_CLIP_RATE: Final = 48_000
"""Hz; what CLAP's own clips have."""
_COMPRESSION: Final = 0.8
"""libsndfile's scale from 0 to 1; 0.8 gives about 90 kbit/s."""

_log = logging.getLogger(__name__)


def sound_of(row: LedgerRow, scorer: ClapScorerConfig, *, sample_rate: int) -> torch.Tensor | None:
    """Render one completion.

    Args:
        row: of an evaluation.
        scorer: the evaluation's, whose renderer and seed make the sound. It renders in other processes, for
            CLAP's sample rate, and keeps no sound: what is heard here is rendered again.
        sample_rate: Hz.

    Returns:
        float32 [2, S] on the CPU, each sample in [-1, 1], of 10 s at most; None where the config cannot be
        rendered, or the renderer failed, which is logged.
    """
    config = renderable_config(first_json_object(row.completion)[0])
    if config is None:
        return None
    try:
        with torch.inference_mode():
            sound: torch.Tensor = load_callable(scorer.renderer)(
                [config],
                seconds=min(scorer.seconds, LONGEST_S),
                sample_rate=sample_rate,
                device=torch.device("cpu"),
                seed=scorer.render_seed,
            )
            return sound[0].clamp(-1, 1).cpu().float()
    except (
        Exception
    ) as error:  # a user's renderer may raise anything; a trial does not fail for a missing clip
        _log.warning("no clip of %r at step %d: %s: %s", row.vibe, row.step, type(error).__name__, error)
        return None


def keep_clips(rows: Sequence[LedgerRow], directory: str, scorer: ClapScorerConfig) -> None:
    """Write the sound of the first sample of the first NUM_CLIPS vibes; done again, it writes the same bytes.

    A vibe whose completion cannot be rendered has no file. Of several workers the first one writes.

    Args:
        rows: of the last evaluation, in the order of its vibes.
        directory: the trial's folder, which gets `clips/<prompt id>.mp3`.
        scorer: the evaluation's.
    """
    if not is_first():
        return
    folder = Path(directory) / CLIPS_FOLDER
    for row in [row for row in rows if row.sample == 0][:NUM_CLIPS]:
        path = folder / clip_name(row.prompt_id)
        sound = sound_of(row, scorer, sample_rate=_CLIP_RATE)
        if sound is None:
            path.unlink(missing_ok=True)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(_mp3(sound))
        replace_durably(unfinished, path)


def _mp3(sound: torch.Tensor) -> bytes:
    """[2, S] at _CLIP_RATE as a file of variable bit rate, for which LAME takes a quarter less time.

    Every browser plays MP3, and LAME makes the same bytes of the same sound; an Ogg stream of libsndfile
    begins with a random number.
    """
    import soundfile  # noqa: PLC0415 - only where sound is written

    file = io.BytesIO()
    soundfile.write(
        file,
        sound.T.numpy(),
        _CLIP_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=_COMPRESSION,
    )
    return file.getvalue()
