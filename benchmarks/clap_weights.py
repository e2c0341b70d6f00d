"""A CLAP checkpoint of random weights in the size of LAION's smallest, made where a benchmark needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["save_random_clap"]

_MARKERS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def save_random_clap(folder: Path, vibes: Sequence[str]) -> None:
    """Write model, tokenizer and preprocessor into a folder.

    The audio tower is HTSAT-tiny and the text tower RoBERTa-base, transformers' defaults and those of
    laion/clap-htsat-unfused (155 M weights, 0.6 GB). A word is a token, as common words are in RoBERTa's
    vocabulary, so that a vibe has a real one's length.
    """
    torch.manual_seed(0)
    ClapModel(ClapConfig(projection_dim=512)).save_pretrained(folder)
    ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc").save_pretrained(folder)
    words = sorted({word for vibe in vibes for word in vibe.split()})
    vocabulary = _MARKERS | {word: number for number, word in enumerate(words, len(_MARKERS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
