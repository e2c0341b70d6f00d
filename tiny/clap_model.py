"""What the tiny CLAP is made of: its network, its tokenizer and its front end, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

from rewards.clap.model import MAX_TEXT_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PROJECTION", "VOCAB_SIZE", "build_model", "extractor", "train_tokenizer"]

VOCAB_SIZE = 2048
PROJECTION = 128
"""Axes of the space that both towers share."""


def build_model() -> ClapModel:
    """A ClapModel of 2.8 M random parameters: HTSAT and RoBERTa, both small."""
    audio = {
        "patch_embeds_hidden_size": 64,
        "depths": [2, 2, 2],
        "num_hidden_layers": 3,
        "num_attention_heads": [4, 8, 16],
        "hidden_size": 256,
        "window_size": 4,
        "spec_size": 256,
        "num_mel_bins": 64,
        "patch_size": 16,
        "patch_stride": [16, 16],
        "hidden_dropout_prob": 0.0,
        "num_classes": 1,  # of the tagging head, which CLAP does not use
    }
    text = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 192,
        "max_position_embeddings": MAX_TEXT_TOKENS + 3,  # RoBERTa counts from the padding id plus 1
        "layer_norm_eps": 1e-5,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    return ClapModel(ClapConfig(projection_dim=PROJECTION, audio_config=audio, text_config=text))


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with RoBERTa's markers and ids; case is folded, as people type vibes in any."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.Lowercase()
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=MAX_TEXT_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
    )


def extractor() -> ClapFeatureExtractor:
    """The front end of the unfused LAION checkpoints."""
    return ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")
