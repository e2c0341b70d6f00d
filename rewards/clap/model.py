"""Loading a CLAP checkpoint: any `transformers.ClapModel` that is not fused, from a folder or the hub."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, ClapFeatureExtractor, ClapModel
from transformers.utils import logging as transformers_logging

from common.errors import UserError
from common.reward_config import CLAP_MODELS
from common.training_config import resolve_model
from rewards.clap.frontend import LogMel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_TEXT_TOKENS", "ClapCheckpoint", "load_clap", "pick_device"]

MAX_TEXT_TOKENS = 77
"""Tokens of a vibe that are read, with its two markers: the length LAION's checkpoints were trained with."""


class ClapCheckpoint(NamedTuple):
    """A model in evaluation mode with what prepares its inputs, all on one device."""

    model: Any
    """`transformers.ClapModel`, float32."""
    tokenizer: Any
    log_mel: LogMel
    device: torch.device
    weights_hash: str
    """First 8 hex digits of the SHA-256 of all weights."""

    def embed_text(self, text: str) -> Tensor:
        """[D] unit embedding of one text.

        Each text passes alone and unpadded, so its embedding cannot depend on what it travels with.
        """
        tokens = self.tokenizer([text], truncation=True, max_length=MAX_TEXT_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            output = self.model.get_text_features(**tokens.to(self.device))
        embeddings: Tensor = output.pooler_output
        return embeddings[0]

    def embed_windows(self, windows: Tensor) -> Tensor:
        """[B, D] unit embeddings of [B, window_samples] mono audio."""
        with torch.inference_mode():
            output = self.model.get_audio_features(input_features=self.log_mel(windows))
        embeddings: Tensor = output.pooler_output
        return embeddings


def load_clap(name: str | Path, device: torch.device) -> ClapCheckpoint:
    """A CLAP checkpoint by name.

    Args:
        name: a key of CLAP_MODELS, a local folder or a hub id.
        device: where the model and its front end run.

    Raises:
        UserError: there is no such checkpoint, it is no CLAP model, it lacks weights, or it is fused.
    """
    path = resolve_model(str(name), CLAP_MODELS)
    # A bar for a load of a second would stand in every command's output.
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(path)
        _require_unfused(str(name), config)
        model, report = ClapModel.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(path)
        extractor = ClapFeatureExtractor.from_pretrained(path)
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"clap.model must be a checkpoint of transformers.ClapModel (model, tokenizer, preprocessor), "
            f"got {name!r}: {reason}"
        ) from error
    lost = sorted({*report["missing_keys"]} & {key for key, _ in model.named_parameters()})
    if lost:
        raise UserError(
            f"clap.model must hold every weight of a CLAP model, got {name!r} without {len(lost)}, "
            f"the first {lost[0]}; save the whole ClapModel"
        )
    model.requires_grad_(False)
    model.eval().to(device)
    return ClapCheckpoint(model, tokenizer, LogMel(extractor).to(device), device, _weights_hash(model))


def pick_device(name: str) -> torch.device:
    """The torch device of a name; `auto` is CUDA where there is one, else the CPU.

    Raises:
        UserError: no such device, or it is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts where it was built without CUDA
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"clap.device must be auto or a torch device here, got {name!r}: {reason}") from error
    return device


def _require_unfused(name: str, config: Any) -> None:
    if config.model_type != "clap":
        raise UserError(f"clap.model must be of model_type 'clap', got {config.model_type!r} in {name!r}")
    if config.audio_config.enable_fusion:
        raise UserError(
            f"clap.model must be unfused, got {name!r} with enable_fusion true; a fused checkpoint marks a "
            "random element of the batch as long, so scores depend on their batch; take an unfused one, such "
            "as laion/clap-htsat-unfused"
        )


def _weights_hash(model: Any) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]
