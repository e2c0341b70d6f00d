"""CLAP by LAION's own code (laion-clap), for LAION's checkpoint files."""

from __future__ import annotations

import importlib
import pickle
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from transformers.utils import logging as transformers_logging

from common.clap_checkpoints import FUSED_REASON, resolve_clap
from common.errors import UserError
from common.reward_config import LAION_CHECKPOINTS
from rewards.clap.frontend import quantize_16_bit
from rewards.clap.model import MAX_TEXT_TOKENS, filled_up, weights_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["LaionClap", "load_laion"]

_HUB_REPOSITORY: Final = "lukewys/laion_clap"
_PATCHES: Final = "audio_branch.patch_embed.proj.weight"
_TOWERS: Final = {96: "HTSAT-tiny", 128: "HTSAT-base", 256: "HTSAT-large"}
"""laion-clap's audio towers by the width of their first layer, which no checkpoint names."""

_SCALAR: Final = np.float64(0).__reduce__()[0]
_NUMPY_SCALARS: Final[list[Any]] = [
    *((_SCALAR, f"{module}.multiarray.scalar") for module in ("numpy._core", "numpy.core")),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)),
]
"""What training scripts leave beside the weights (a best metric); harmless, but torch must be told so."""


class LaionClap(NamedTuple):
    """A `ClapBackend`: laion-clap's model behind laion-clap's front end, which is a layer of it."""

    model: Any
    """`clap_module.model.CLAP`, float32."""
    tokenizer: Any
    sample_rate: int
    window_samples: int
    device: torch.device
    weights_hash: str

    def embed_text(self, text: str) -> Tensor:
        """[D] unit embedding of one text, alone and unpadded (laion-clap's own method pads to 77 tokens)."""
        tokens = self.tokenizer([text], truncation=True, max_length=MAX_TEXT_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            embeddings: Tensor = self.model.get_text_embedding(dict(tokens))
        return embeddings[0]

    def embed_windows(self, windows: Tensor, rows: int | None = None) -> Tensor:
        """[rows, D] unit embeddings of [B, window_samples] mono audio, the last filling up."""
        if windows.ndim != 2 or windows.shape[1] != self.window_samples:
            raise ValueError(f"windows must be [B, {self.window_samples}], got {list(windows.shape)}")
        # Not `get_audio_embedding_from_data`, which goes through NumPy and cuts long audio at random.
        clips = [{"waveform": clip} for clip in filled_up(quantize_16_bit(windows), rows)]
        with torch.inference_mode():
            embeddings: Tensor = self.model.get_audio_embedding(clips)
        return embeddings


def load_laion(name: str, device: torch.device) -> LaionClap:
    """A checkpoint file of laion-clap.

    laion-clap takes its tokenizers and the text tower's shape from the model hub (roberta-base,
    bert-base-uncased and facebook/bart-base), or from the hub's cache on this machine.

    Args:
        name: the path of a file, or one of LAION_CHECKPOINTS, which is downloaded.
        device: where the model runs.

    Raises:
        UserError: laion-clap is not installed or lacks its files from the hub, or the checkpoint cannot be
            had, is none of laion-clap, lacks weights, or is fused.
    """
    path = resolve_clap("laion-clap", name)
    if find_spec("laion_clap") is None:
        raise UserError(
            "clap.backend 'laion-clap' must have the laion-clap package, got none; "
            "pip install 'vibesweep[laion-clap]'"
        )
    weights = _read(name, path)
    _require_unfused(name, weights)
    module = _build(_TOWERS[_tower_width(name, weights)], device)
    model, audio = module.model, module.model_cfg["audio_cfg"]
    _fill(name, model, weights)
    model.requires_grad_(False)
    model.eval()
    return LaionClap(
        model=model,
        tokenizer=_checked_tokenizer(module),
        sample_rate=int(audio["sample_rate"]),
        window_samples=int(audio["clip_samples"]),
        device=device,
        weights_hash=weights_hash(model.state_dict()),
    )


def _read(name: str, path: str) -> dict[str, Tensor]:
    """The weights of a checkpoint under the model's own names."""
    try:
        file = hf_hub_download(_HUB_REPOSITORY, path) if path in LAION_CHECKPOINTS else path
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"clap.model {name!r} must be downloadable from {_HUB_REPOSITORY}, got {_one_line(error)}; "
            "download it elsewhere and give its path"
        ) from error
    try:
        # Only weights: a pickle of anything else could run code, which `laion_clap.load_ckpt` lets it.
        with torch.serialization.safe_globals(_NUMPY_SCALARS):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"clap.model must be a checkpoint file of laion-clap, got {name!r}: {_one_line(error)}"
        ) from error
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not (isinstance(weights, dict) and all(isinstance(value, torch.Tensor) for value in weights.values())):
        raise UserError(
            f"clap.model must be a checkpoint file of laion-clap (a state dict), got {name!r}, which holds "
            "something else; check the path"
        )
    named = {str(key).removeprefix("module."): value for key, value in weights.items()}
    # A constant that transformers kept among the weights until 4.31.
    named.pop("text_branch.embeddings.position_ids", None)
    return named


def _require_unfused(name: str, weights: Mapping[str, Tensor]) -> None:
    if any(".fusion_model." in key or ".mel_conv" in key for key in weights):
        raise UserError(
            f"clap.model must be unfused, got {name!r} with fusion layers; {FUSED_REASON}; take an unfused "
            f"one, such as {LAION_CHECKPOINTS[1]}"
        )


def _tower_width(name: str, weights: Mapping[str, Tensor]) -> int:
    patches = weights.get(_PATCHES)
    width = 0 if patches is None else patches.shape[0]
    if width not in _TOWERS:
        known = ", ".join(f"{width} ({tower})" for width, tower in _TOWERS.items())
        raise UserError(
            f"clap.model must be a laion-clap checkpoint with an HTSAT tower of width {known}, got {name!r} "
            f"with {f'width {width}' if width else f'no {_PATCHES}'}; for transformers' checkpoints set "
            "clap.backend to 'transformers'"
        )
    return width


def _build(tower: str, device: torch.device) -> Any:
    """laion-clap's module with a tower of this size, its weights not yet those of a checkpoint."""
    verbosity = transformers_logging.get_verbosity()
    # It would report that roberta-base lacks weights, which the checkpoint is about to replace.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        laion_clap = importlib.import_module("laion_clap")  # an extra, and it asks the hub when imported
        return laion_clap.CLAP_Module(enable_fusion=False, device=device, amodel=tower)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise UserError(
            "clap.backend 'laion-clap' must find roberta-base, bert-base-uncased and facebook/bart-base on "
            f"the model hub or in its cache, got {_one_line(error)}; load them once with a network"
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)


def _fill(name: str, model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    # Not `load_ckpt`: it deletes a key that checkpoints of today's transformers lack, and prints all names.
    try:
        report = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        problem = " ".join(str(error).splitlines()[1:2]).strip()
        raise UserError(
            f"clap.model must have the shapes of laion-clap's HTSAT and roberta-base, got {name!r}: {problem}"
        ) from error
    for keys, what in ((report.missing_keys, "without"), (report.unexpected_keys, "with the unknown")):
        if keys:
            raise UserError(
                f"clap.model must hold the weights of a laion-clap model and no others, got {name!r} {what} "
                f"{len(keys)}, the first {keys[0]}; save the model's whole state dict"
            )


def _checked_tokenizer(module: Any) -> Any:
    """Its tokenizer, if that knows every token of the text tower.

    Offline and without its files, transformers makes one of five tokens and says nothing: all texts would be
    equal.
    """
    known, needed = len(module.tokenize), module.model.text_branch.config.vocab_size
    if known != needed:
        raise UserError(
            f"clap.backend 'laion-clap' must have roberta-base's tokenizer of {needed} tokens in the model "
            f"hub's cache, got one of {known}; load it once with a network"
        )
    return module.tokenize


def _one_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
