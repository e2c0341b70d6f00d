"""The plain way to score configs, which ours is compared with: one at a time, through a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import torch
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

from rewards.render import render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.music_schema import MusicConfig

__all__ = ["SequentialScorer"]

_RATE = 48_000


class SequentialScorer:
    """Render, write a WAV file, load it, the library's extractor, the model with batch 1, the text each time.

    Only the bad sounds are embedded once. Nothing is cut at random, as clips have one window.
    """

    def __init__(self, checkpoint: Path, folder: Path, bad_sounds: Sequence[str]) -> None:
        """
        Args:
            checkpoint: folder of a `transformers.ClapModel`.
            folder: where the WAV file is written.
            bad_sounds: as in `ClapScorerConfig`.
        """
        self._model = ClapModel.from_pretrained(checkpoint).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self._extractor = ClapFeatureExtractor.from_pretrained(checkpoint)
        self._file = folder / "candidate.wav"
        mean = np.mean([self._text(text) for text in bad_sounds], axis=0)
        self._bad = mean / np.linalg.norm(mean)

    def __call__(self, vibe: str, config: MusicConfig) -> float:
        """The score of one config, up to rounding that of `ClapScorer`."""
        soundfile.write(self._file, render([config])[0].numpy().T, _RATE, subtype="PCM_16")
        samples, _ = soundfile.read(self._file, dtype="float32")
        features: dict[str, Any] = self._extractor(
            samples.mean(axis=1),
            sampling_rate=_RATE,
            truncation="rand_trunc",
            padding="repeatpad",
            return_tensors="pt",
        )
        with torch.inference_mode():
            found = self._model.get_audio_features(input_features=features["input_features"])
        clip, text = found.pooler_output[0].numpy(), self._text(vibe)
        return float(clip @ text - max(0.0, float(clip @ self._bad - text @ self._bad)))

    def _text(self, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """[D] unit embedding, the text padded to 77 tokens as LAION's own code does."""
        tokens = self._tokenizer(
            [text], padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        )
        with torch.inference_mode():
            found = self._model.get_text_features(**tokens)
        embedding: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = found.pooler_output[0].numpy()
        return embedding
