"""What laion-clap needs, made here: a hub cache of small vocabularies, a checkpoint, transformers' twin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tokenizers import pre_tokenizers
from transformers import (
    BartTokenizer,
    BertTokenizer,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizer,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = ["LEFT_OVER", "hub_folder", "make_hub", "renamed", "save_laion", "save_twin"]

_ROBERTA: Final[dict[str, Any]] = {
    # laion-clap demands roberta-base's width; layers and words are as few as can be.
    "hidden_size": 768,
    "num_hidden_layers": 2,
    "num_attention_heads": 12,
    "intermediate_size": 256,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}

LEFT_OVER: Final = re.compile(
    r"(audio|text)_transform\.|audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\."
)
"""laion-clap's weights that no embedding passes through, and its STFT and mel matrix."""

_RENAMED: Final = (
    ("text_branch", "text_model"),
    ("audio_branch", "audio_model.audio_encoder"),
    ("attn.proj", "attention.output.dense"),
    ("attn.", "attention.self."),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("bn0", "batch_norm"),
    ("projection.0", "projection.linear1"),
    ("projection.2", "projection.linear2"),
)


def hub_folder(hub: Path, name: str) -> Path:
    """Where a hub's cache keeps a repository's only version."""
    folder = hub / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True, exist_ok=True)
    return snapshot


def make_hub(hub: Path, *, with_tokenizers: bool = True) -> None:
    """A hub cache with which laion-clap imports and runs offline."""
    signs = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "<mask>"]
    vocab = {sign: number for number, sign in enumerate(signs)}
    torch.manual_seed(0)
    RobertaModel(RobertaConfig(vocab_size=len(vocab), **_ROBERTA)).save_pretrained(
        hub_folder(hub, "roberta-base")
    )
    if not with_tokenizers:
        return
    RobertaTokenizer(vocab=vocab, merges=[]).save_pretrained(hub_folder(hub, "roberta-base"))
    BartTokenizer(vocab=vocab, merges=[]).save_pretrained(hub_folder(hub, "facebook/bart-base"))
    letters = {
        sign: number for number, sign in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])
    }
    BertTokenizer(vocab=letters).save_pretrained(hub_folder(hub, "bert-base-uncased"))


def save_laion(weights: dict[str, Tensor], file: Path) -> None:
    """A checkpoint as LAION's training script leaves it: prefixed names, a constant, a metric beside."""
    stored = {f"module.{key}": value for key, value in weights.items()}
    stored["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"epoch": 3, "best": np.float64(0.5), "state_dict": stored}, file)


def save_twin(weights: dict[str, Tensor], hub: Path, folder: Path) -> None:
    """The same weights as a `transformers.ClapModel` with tokenizer and preprocessor."""
    tokenizer = RobertaTokenizer.from_pretrained(hub_folder(hub, "roberta-base"))
    text = _ROBERTA | {"vocab_size": len(tokenizer)}
    model = ClapModel(ClapConfig(projection_dim=512, text_config=text, audio_config={"enable_fusion": False}))
    report = model.load_state_dict(renamed(weights), strict=False)
    parameters = {key for key, _ in model.named_parameters()}
    assert not parameters & set(report.missing_keys), "every parameter of the twin is a weight of laion-clap"
    assert not report.unexpected_keys, "and every weight of laion-clap has a place"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc").save_pretrained(folder)


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """laion-clap's state dict under transformers' names."""
    found: dict[str, Tensor] = {}
    for key, value in weights.items():
        if LEFT_OVER.match(key) or key.endswith(("attn_mask", "relative_position_index")):
            continue
        name = key
        for old, new in _RENAMED:
            name = name.replace(old, new)
        if "qkv" in name:
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[name.replace("qkv", part)] = third.clone()
        else:
            found[name] = value
    return found
