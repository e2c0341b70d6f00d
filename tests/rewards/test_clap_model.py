"""Loading CLAP checkpoints, and the ones that are refused."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, ClapModel

from common.errors import UserError
from common.reward_config import CLAP_MODELS
from common.training_config import PROJECT_ROOT
from rewards.clap import load_clap, pick_device
from rewards.clap.model import filled_up

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


def test_embeddings_are_those_of_transformers(random_clap: Path) -> None:
    clap = load_clap(random_clap, CPU)
    model = ClapModel.from_pretrained(random_clap).eval()
    tokens = AutoTokenizer.from_pretrained(random_clap)(["night rain"], return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(**tokens).pooler_output[0]
    assert torch.equal(clap.embed_text("night rain"), expected)
    assert float(expected.norm()) == pytest.approx(1.0, abs=1e-6)


def test_a_long_vibe_is_cut_and_an_empty_one_is_read(random_clap: Path) -> None:
    clap = load_clap(random_clap, CPU)
    # 77 tokens: <s>, 75 bytes (the first a space), </s>
    assert torch.equal(clap.embed_text("a" * 10_000), clap.embed_text("a" * 74))
    assert torch.isfinite(clap.embed_text("")).all()
    assert torch.isfinite(clap.embed_text("\u96e8 \U0001f327")).all()


@pytest.mark.parametrize("model", ["random", "tiny"])
def test_padding_a_text_moves_its_embedding_by_less_than_1e_5(random_clap: Path, model: str) -> None:
    folder = str(random_clap) if model == "random" else str(PROJECT_ROOT / CLAP_MODELS["tiny"])
    clap, library = load_clap(folder, CPU), ClapModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["", "rain", "late night neon glow", "a long walk " * 40, "\u96e8 \U0001f327"]
    found = torch.stack([clap.embed_text(text) for text in texts])
    for padding in ("max_length", "longest"):
        for chosen in (texts, texts[:3]):
            tokens = tokenizer(chosen, padding=padding, truncation=True, max_length=77, return_tensors="pt")
            with torch.inference_mode():
                padded = library.get_text_features(**tokens).pooler_output
            assert float((found[: len(chosen)] - padded).abs().max()) <= 1e-5
    distances = torch.cdist(found, found) + 2 * torch.eye(len(texts))
    assert float(distances.min()) > 1e-3  # so that one text could not pass for another


def test_filling_up_repeats_the_last_row_and_refuses_to_cut() -> None:
    batch = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert filled_up(batch, 4).tolist() == [[1, 2], [3, 4], [3, 4], [3, 4]]
    assert filled_up(batch, 2) is batch
    assert filled_up(batch, None) is batch
    with pytest.raises(ValueError, match="rows must be >= the batch, got 1 for 2"):
        filled_up(batch, 1)


def test_the_weights_hash_follows_the_weights(random_clap: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(random_clap, other)
    assert load_clap(other, CPU).weights_hash == load_clap(random_clap, CPU).weights_hash
    weights = load_file(other / "model.safetensors")
    weights["audio_projection.linear1.weight"][0, 0] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert load_clap(other, CPU).weights_hash != load_clap(random_clap, CPU).weights_hash


def test_a_fused_checkpoint_is_refused_with_the_reason(fused_clap: Path) -> None:
    with pytest.raises(UserError, match=r"must be unfused.*depend on their batch.*clap-htsat-unfused"):
        load_clap(fused_clap, CPU)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"got .*nowhere.*check the path"):
        load_clap(tmp_path / "nowhere", CPU)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"clap\.model must be a checkpoint of transformers\.ClapModel"):
        load_clap(tmp_path, CPU)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="must be of model_type 'clap', got 'bert'"):
        load_clap(tmp_path, CPU)


@pytest.mark.parametrize(
    "broken", ["model.safetensors", "tokenizer.json", "preprocessor_config.json", "config.json"]
)
def test_a_broken_or_missing_file_is_the_users_error(random_clap: Path, tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "clap"
    shutil.copytree(random_clap, folder)
    (folder / broken).write_text("{ not what it should be")
    with pytest.raises(UserError, match=r"clap\.model must be a checkpoint") as caught:
        load_clap(folder, CPU)
    assert "\n" not in str(caught.value)
    (folder / broken).unlink()
    with pytest.raises(UserError, match=r"clap\.model must be a checkpoint"):
        load_clap(folder, CPU)


def test_a_checkpoint_that_lacks_weights_is_refused(random_clap: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clap"
    shutil.copytree(random_clap, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["text_projection.linear1.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"without 1, the first text_projection\.linear1\.weight"):
        load_clap(folder, CPU)


def test_devices_are_picked_by_name() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match=r"clap\.device must be auto or a torch device here, got 'abacus'"):
        pick_device("abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(UserError, match=r"clap\.device must be .* got 'cuda'"):
        pick_device("cuda")
