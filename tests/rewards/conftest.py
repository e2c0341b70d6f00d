"""A CLAP checkpoint of random weights, small enough to be made where a test needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def random_clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a loadable unfused checkpoint."""
    folder = tmp_path_factory.mktemp("clap") / "random"
    torch.manual_seed(0)
    ClapModel(clap_config()).save_pretrained(folder)
    ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc").save_pretrained(folder)
    byte_ids = {byte: number + 4 for number, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    bpe = Tokenizer(models.BPE({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | byte_ids, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel()
    bpe.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    return folder


def clap_config(*, enable_fusion: bool = False) -> ClapConfig:
    """HTSAT and RoBERTa as small as their rules allow."""
    audio = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1, 1],
        "num_hidden_layers": 3,
        "num_attention_heads": [2, 2, 2],
        "hidden_size": 32,
        "window_size": 4,
        "patch_size": 16,
        "patch_stride": [16, 16],
        "enable_fusion": enable_fusion,
    }
    text = {
        "vocab_size": 300,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 80,
    }
    return ClapConfig(projection_dim=16, audio_config=audio, text_config=text)


@pytest.fixture(scope="session")
def fused_clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder whose config says that the checkpoint is fused."""
    folder = tmp_path_factory.mktemp("clap") / "fused"
    clap_config(enable_fusion=True).save_pretrained(folder)
    return folder
