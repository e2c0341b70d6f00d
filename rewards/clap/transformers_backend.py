"""CLAP by transformers: any `transformers.ClapModel` that is not fused, from a folder or the hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, ClapFeatureExtractor, ClapModel
from transformers.utils import logging as transformers_logging

from common.clap_checkpoints import FUSED_REASON, resolve_clap
from common.errors import UserError
from common.hub import expect_model
from rewards.clap.frontend import LogMel
from rewards.clap.model import MAX_TEXT_TOKENS, filled_up, weights_hash

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TransformersClap", "load_transformers"]


class TransformersClap(NamedTuple):
    """A `ClapBackend`: transformers' model behind our own front end."""

    model: Any
    """`transformers.ClapModel`, float32."""
    tokenizer: Any
    log_mel: LogMel
    device: torch.device
    weights_hash: str

    @property
    def sample_rate(self) -> int:
        """Of the windows, in Hz."""
        return self.log_mel.sample_rate

    @property
    def window_samples(self) -> int:
        """Length of a window."""
        return self.log_mel.window_samples

    def embed_text(self, text: str) -> Tensor:
        """[D] unit embedding of one text, alone and unpadded."""
        tokens = self.tokenizer([text], truncation=True, max_length=MAX_TEXT_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            output = self.model.get_text_features(**tokens.to(self.device))
        embeddings: Tensor = output.pooler_output
        return embeddings[0]

    def embed_windows(self, windows: Tensor, rows: int | None = None) -> Tensor:
        """[rows, D] unit embeddings of [B, window_samples] mono audio, the last filling up."""
        with torch.inference_mode():
            features = filled_up(self.log_mel(windows), rows)
            output = self.model.get_audio_features(input_features=features)
        embeddings: Tensor = output.pooler_output
        return embeddings


def load_transformers(name: str, device: torch.device) -> TransformersClap:
    """A checkpoint of `transformers.ClapModel` with its tokenizer and preprocessor.

    Args:
        name: a key of CLAP_MODELS, a local folder or a hub id.
        device: where the model and its front end run.

    Raises:
        UserError: there is no such checkpoint, it is no CLAP model, it lacks weights, or it is fused.
    """
    path = resolve_clap("transformers", name)
    if not Path(path).is_absolute():
        expect_model(path, name, "clap.model")
    # A bar for a load of a second would stand in every command's output.
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(path)
        _require_unfused(name, config)
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
    return TransformersClap(
        model, tokenizer, LogMel(extractor).to(device), device, weights_hash(model.state_dict())
    )


def _require_unfused(name: str, config: Any) -> None:
    if config.model_type != "clap":
        raise UserError(f"clap.model must be of model_type 'clap', got {config.model_type!r} in {name!r}")
    if config.audio_config.enable_fusion:
        raise UserError(
            f"clap.model must be unfused, got {name!r} with enable_fusion true; {FUSED_REASON}; take an "
            "unfused one, such as laion/clap-htsat-unfused"
        )
