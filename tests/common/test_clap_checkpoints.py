"""Which library a CLAP model's name is for, and where its weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from common.clap_checkpoints import resolve_clap
from common.errors import UserError
from common.reward_config import ClapScorerConfig
from common.training_config import PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_names_stand_for_folders_hub_ids_files_and_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_clap("transformers", "tiny") == str(PROJECT_ROOT / "tiny/weights/clap")
    assert resolve_clap("transformers", "clap-htsat-unfused") == "laion/clap-htsat-unfused"
    assert resolve_clap("laion-clap", "630k-audioset-best.pt") == "630k-audioset-best.pt"
    (tmp_path / "own.pt").touch()
    monkeypatch.chdir(tmp_path)
    assert resolve_clap("laion-clap", "own.pt") == str(tmp_path / "own.pt")


def test_a_file_is_no_model_of_transformers(tmp_path: Path) -> None:
    (tmp_path / "own.pt").touch()
    with pytest.raises(UserError, match=r"got the file '.*own\.pt'; .*set clap\.backend to 'laion-clap'"):
        resolve_clap("transformers", str(tmp_path / "own.pt"))


@pytest.mark.parametrize("name", ["laion/clap-htsat-unfused", "nowhere.pt", "."])
def test_laion_clap_takes_files_and_published_names(name: str) -> None:
    with pytest.raises(
        UserError, match=r"must be a checkpoint file or one of 630k-best\.pt, .*check the path"
    ):
        resolve_clap("laion-clap", name)


def test_a_published_fused_checkpoint_is_refused_by_its_name() -> None:
    with pytest.raises(
        UserError, match=r"must be unfused, got '630k-fusion-best\.pt'; a fused .*batch; take 630k"
    ):
        resolve_clap("laion-clap", "630k-fusion-best.pt")


def test_a_config_refuses_a_model_of_the_other_backend() -> None:
    with pytest.raises(
        ValidationError, match=r"got 'tiny', which transformers runs; take a path or one of 630k"
    ):
        ClapScorerConfig(backend="laion-clap")
    with pytest.raises(ValidationError, match=r"got '630k-best\.pt'; set backend to 'laion-clap'"):
        ClapScorerConfig(model="630k-best.pt")
    with pytest.raises(ValidationError, match="Input should be 'transformers' or 'laion-clap'"):
        ClapScorerConfig.model_validate({"backend": "laion"})
