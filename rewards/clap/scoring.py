"""The CLAP scorer: configs rendered, heard and compared with their vibes, the same in any batch."""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from common.clap_checkpoints import resolve_clap
from common.music_schema import config_hash
from rewards.clap.cache import SHARED_CACHES, Clip
from rewards.clap.memory import keep_freed_memory
from rewards.clap.model import load_clap, pick_device
from rewards.components import CacheCounts, Heard
from rewards.embeddings import cosine, normalized
from rewards.plugins import load_callable
from rewards.sound_checks import measure_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from common.music_schema import MusicConfig
    from common.reward_config import ClapScorerConfig
    from rewards.clap.cache import EmbeddingCaches
    from rewards.embeddings import Embedding

__all__ = ["ClapScorer"]

_READ_CHARACTERS: Final = 16_384
"""Of a text: a model reads 77 tokens, and the longest of RoBERTa's have 128 bytes. To tokenize 10 MB takes
2 GB and half a minute."""


class ClapScorer:
    """A `ScorerProtocol`: audio = s(a, v) - max(0, s(a, b) - s(v, b)).

    s is the cosine, a the embedding of the rendered config, v that of its vibe, b the normalized mean
    embedding of the bad-sound words. So a config gains by sounding like its vibe, and loses by sounding worse
    (more like the bad words) than the vibe itself is.

    A score depends on its vibe, its config and the thread count of torch, and on nothing else: the audio
    tower always runs on `microbatch` clips, the last one repeated where they are fewer; clips are rendered
    one by one on a CPU, and in that same full shape elsewhere; texts pass one by one; windows are averaged in
    their order.

    Embeddings are cached by all that moves them, which is less than what moves a score: scorers that differ
    only in their bad sounds render a config once.
    """

    def __init__(self, config: ClapScorerConfig, caches: EmbeddingCaches = SHARED_CACHES) -> None:
        """
        Args:
            config: which sound, model and shapes.
            caches: where embeddings are kept and looked for; the process's own by default.

        Raises:
            UserError: the checkpoint, the renderer or the device cannot be used.
        """
        self.config = config
        self.clap = load_clap(config.model, pick_device(config.device), config.backend)
        if self.clap.device.type == "cpu":
            keep_freed_memory()
        self._render: Callable[..., Tensor] = load_callable(config.renderer)
        self._caches = caches
        self._counts = CacheCounts()
        # The path beside the hash of the weights: a tokenizer and a front end come from there.
        self._model_settings = (
            config.backend,
            resolve_clap(config.backend, config.model),
            self.clap.weights_hash,
            str(self.clap.device),
        )
        self._sound_settings = (
            config.renderer,
            caches.identity(self._render),  # a module that was edited and loaded again renders anew
            self.renderer_id,
            self.clap.sample_rate,
            self.clap.window_samples,
            config.seconds,  # in full, which the renderer's id has not
            config.microbatch,
        )
        self._bad = normalized(
            [math.fsum(axis) for axis in zip(*map(self.embed_text, config.bad_sounds), strict=True)]
        )

    @property
    def scorer_id(self) -> str:
        """Backend and name of the checkpoint, and a hash of its weights and of what else moves a score."""
        settings = (self.clap.weights_hash, self.config.microbatch, *self.config.bad_sounds)
        digest = hashlib.sha256("|".join(map(str, settings)).encode()).hexdigest()[:8]
        return f"clap:{self.config.backend}:{Path(self.config.model).name}:{digest}"

    @property
    def renderer_id(self) -> str:
        """The renderer's own id (else its import path), length and seed."""
        own = getattr(
            sys.modules[self.config.renderer.partition(":")[0]], "RENDERER_ID", self.config.renderer
        )
        return f"{own}:{self.config.seconds:g}s:seed{self.config.render_seed}"

    @property
    def cache_counts(self) -> CacheCounts:
        """What this scorer found in the caches so far."""
        return self._counts

    def __call__(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        """Score [B] configs for their [B] vibes; each score is in [-3, 1]."""
        return [score for score, _ in self.hear(vibes, configs)]

    def hear(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[tuple[float, Heard]]:
        """The scores, and what was heard."""
        scores = []
        for vibe, (clip, sound) in zip(self._read(vibes), self._heard(configs), strict=True):
            worse = cosine(clip, self._bad) - cosine(vibe, self._bad)
            scores.append((cosine(clip, vibe) - max(0.0, worse), Heard(clip, vibe, *sound)))
        return scores

    def embed_configs(self, configs: Sequence[MusicConfig]) -> list[Embedding]:
        """Unit embeddings of the configs' sound, rendered where they are not cached."""
        return [clip.embedding for clip in self._heard(configs)]

    def _heard(self, configs: Sequence[MusicConfig]) -> list[Clip]:
        settings = (*self._model_settings, *_of_torch(), *self._sound_settings)
        keys = [config_hash(config) for config in configs]
        found = {key: self._caches.clip(settings, key) for key in keys}
        wanted = {key: config for key, config in zip(keys, configs, strict=True) if found[key] is None}
        queue = list(wanted.items())
        for start in range(0, len(queue), self.config.microbatch):
            batch = queue[start : start + self.config.microbatch]
            heard = self._listen([config for _, config in batch])
            for (key, _), clip in zip(batch, heard, strict=True):
                found[key] = clip
                self._caches.keep_clip(settings, key, clip)
        self._counts = self._counts.plus(CacheCounts(hits=len(keys) - len(wanted), misses=len(wanted)))
        return [known for key in keys if (known := found[key]) is not None]

    def _listen(self, configs: Sequence[MusicConfig]) -> list[Clip]:
        """Embeddings and measures of at most `microbatch` configs, whose shapes do not show how many."""
        size = self.config.microbatch
        if self.clap.device.type == "cpu":  # where a batch saves nothing, and a clip stays in the cache
            shapes = [[config] for config in configs]
        else:
            shapes = [[*configs, *[configs[-1]] * (size - len(configs))]]
        mono, sounds = [], []
        with torch.inference_mode():
            for shape in shapes:
                audio = self._rendered(shape)
                mono.append(audio.mean(dim=1))
                sounds += measure_sound(audio, self.clap.sample_rate)
            windows = whole_windows(torch.cat(mono), self.clap.window_samples)
            heard = [self.clap.embed_windows(window, size).cpu().double() for window in windows]
        rows = torch.stack(heard).mean(dim=0).numpy()
        # Rows, and sounds that were rendered with them, go on for what filled up.
        return [Clip(normalized(row), sound) for _, row, sound in zip(configs, rows, sounds, strict=False)]

    def _rendered(self, configs: Sequence[MusicConfig]) -> Tensor:
        """[B, 2, S] audio of [B] configs."""
        audio = self._render(
            configs,
            seconds=self.config.seconds,
            sample_rate=self.clap.sample_rate,
            device=self.clap.device,
            seed=self.config.render_seed,
        )
        if len(audio) != len(configs):
            raise ValueError(
                f"renderer {self.config.renderer} must give one clip for each config, got {len(audio)} for "
                f"{len(configs)}"
            )
        return audio

    def embed_text(self, text: str) -> Embedding:
        """Unit embedding of a text, read as `_readable` says."""
        return self._read([text])[0]

    def _read(self, texts: Sequence[str]) -> list[Embedding]:
        settings, found, misses = (*self._model_settings, *_of_torch()), [], 0
        for text in map(_readable, texts):
            embedding = self._caches.text(settings, text)
            if embedding is None:
                misses += 1
                embedding = normalized(self.clap.embed_text(text).cpu().numpy())
                self._caches.keep_text(settings, text, embedding)
            found.append(embedding)
        self._counts = self._counts.plus(CacheCounts(text_hits=len(found) - misses, text_misses=misses))
        return found


def _of_torch() -> tuple[Hashable, ...]:
    """What of torch's state moves an embedding: its threads, and in which precision it multiplies floats."""
    return (torch.get_num_threads(), torch.get_float32_matmul_precision())


def whole_windows(audio: Tensor, window: int) -> list[Tensor]:
    """Cut [B, S] audio into whole windows, in their order, each [B, window].

    The last one ends with the clip, so that every sample is heard; it overlaps its neighbour where S is no
    multiple of the window. A clip shorter than a window is repeated as often as it fits and then padded with
    silence (transformers' "repeatpad").
    """
    samples = audio.shape[1]
    if samples < window:
        repeated = audio.repeat(1, window // samples)
        return [torch.nn.functional.pad(repeated, (0, window - repeated.shape[1]))]
    starts = [*range(0, samples - window, window), samples - window]
    return [audio[:, start : start + window] for start in starts]


def _readable(text: str) -> str:
    """What a tokenizer can take of any text, and as much as a model reads of it.

    Half of a surrogate pair is none of Unicode's characters: it becomes U+FFFD, where a tokenizer would raise
    and cost the whole batch its scores.
    """
    return text[:_READ_CHARACTERS].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
