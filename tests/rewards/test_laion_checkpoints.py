"""Which checkpoint files the laion-clap backend refuses before it needs laion-clap itself."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from common.errors import UserError
from rewards.clap.laion_backend import load_laion

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
PATCHES = "audio_branch.patch_embed.proj.weight"


@pytest.fixture(autouse=True)
def extra_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the check for it knows."""
    monkeypatch.setattr("rewards.clap.laion_backend.find_spec", lambda _: object())


def problem_of(file: Path) -> str:
    """What is said about a file, which is one line."""
    with pytest.raises(UserError) as caught:
        load_laion(str(file), CPU)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def problem_with(content: Any, folder: Path) -> str:
    torch.save(content, folder / "x.pt")
    return problem_of(folder / "x.pt")


def test_without_the_extra_the_install_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewards.clap.laion_backend.find_spec", lambda _: None)
    (tmp_path / "x.pt").touch()
    assert problem_of(tmp_path / "x.pt") == (
        "clap.backend 'laion-clap' must have the laion-clap package, got none; "
        "pip install 'vibesweep[laion-clap]'"
    )


@pytest.mark.parametrize(
    "layer",
    ["audio_branch.patch_embed.fusion_model.local_att.0.weight", "audio_branch.patch_embed.mel_conv2d.bias"],
)
def test_a_fused_checkpoint_is_refused_with_the_reason(tmp_path: Path, layer: str) -> None:
    weights = {f"module.{PATCHES}": torch.zeros(96, 1, 4, 4), f"module.{layer}": torch.zeros(1)}
    said = problem_with({"epoch": 1, "state_dict": weights}, tmp_path)
    assert "must be unfused" in said
    assert "scores depend on their batch; take an unfused one, such as 630k-audioset-best.pt" in said


def test_a_checkpoint_of_another_audio_tower_is_refused(tmp_path: Path) -> None:
    said = problem_with({PATCHES: torch.zeros(48, 1, 4, 4)}, tmp_path)
    assert "an HTSAT tower of width 96 (HTSAT-tiny), 128 (HTSAT-base), 256 (HTSAT-large)" in said
    assert said.endswith("with width 48; for transformers' checkpoints set clap.backend to 'transformers'")
    assert f"with no {PATCHES};" in problem_with({"text_model.bias": torch.zeros(1)}, tmp_path)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"lr": 0.1}, torch.zeros(3)])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    assert "(a state dict), got " in problem_with(content, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04", pickle.dumps({"a": 1}, protocol=2)])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    assert "must be a checkpoint file of laion-clap" in problem_of(tmp_path / "x.pt")


class Stranger:
    """Stands for code that a pickle would run."""


def test_a_pickle_of_more_than_weights_is_not_run(tmp_path: Path) -> None:
    assert "Weights only load failed" in problem_with({"state_dict": {}, "extra": Stranger()}, tmp_path)


@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_a_metric_beside_the_weights_is_read_over(tmp_path: Path, module: bytes) -> None:
    # numpy 1 wrote its scalars under another name than numpy 2 does.
    metrics = {"best": np.float64(0.5), "loss": np.float32(2.0)}
    torch.save({"state_dict": {PATCHES: torch.zeros(48, 1)}, **metrics}, tmp_path / "new.pt")
    with zipfile.ZipFile(tmp_path / "new.pt") as new, zipfile.ZipFile(tmp_path / "x.pt", "w") as old:
        for entry in new.namelist():
            content = new.read(entry)
            old.writestr(
                entry, content.replace(b"numpy._core.multiarray", module) if "pkl" in entry else content
            )
    with zipfile.ZipFile(tmp_path / "x.pt") as old:
        assert any(module in old.read(entry) for entry in old.namelist())
    assert "with width 48;" in problem_of(tmp_path / "x.pt")


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: str) -> str:
        raise OSError("no network\nat all")

    monkeypatch.setattr("rewards.clap.laion_backend.hf_hub_download", offline)
    with pytest.raises(UserError) as caught:
        load_laion("630k-best.pt", CPU)
    assert str(caught.value) == (
        "clap.model '630k-best.pt' must be downloadable from lukewys/laion_clap, got no network; "
        "download it elsewhere and give its path"
    )
