"""What `base_model` may name: a model or an adapter, in a folder, on the hub, or by its short name."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from huggingface_hub import constants

import common.hub
from common.errors import UserError
from common.hub import Hub
from common.training_config import BASE_MODELS
from trainables.adapter_base import base_of_adapter
from trainables.policy import load_policy
from trainables.sft import run_sft

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.training_config import TrainingConfig
    from trainables.spec import Progress


def quiet(progress: Progress) -> None:
    pass


def logits(name: str) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_policy(name).model(torch.tensor([[2, 3, 50, 60, 70, 4]])).logits
    return found


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A hub cache without a network, which folders are put into under a hub id."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(hub_id: str, folder: str) -> None:
        repository = cache / f"models--{hub_id.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / "0123abcd")
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0123abcd")

    return put


@pytest.fixture
def adapter(make_config: Callable[..., TrainingConfig], tmp_path: Path) -> str:
    """An SFT adapter of the small policy."""
    rows = tmp_path / "pairs.jsonl"
    rows.write_text(
        "".join(json.dumps({"vibe_noisy": f"rain {i}", "config_payload": "{}"}) + "\n" for i in range(4))
    )
    return str(run_sft(make_config(max_steps=2), str(rows), str(tmp_path / "sft"), quiet))


def test_a_hub_id_is_the_model_that_lies_there(hub: Callable[[str, str], None], small_policy: str) -> None:
    hub("some-lab/policy", small_policy)
    assert torch.equal(logits("some-lab/policy"), logits(small_policy))


def test_a_hub_id_of_an_adapter_is_merged_into_its_base(
    hub: Callable[[str, str], None], small_policy: str, adapter: str
) -> None:
    hub("some-lab/adapter", adapter)
    assert torch.equal(logits("some-lab/adapter"), logits(adapter))
    assert not torch.equal(logits(adapter), logits(small_policy))
    assert not any("lora" in name for name, _ in load_policy("some-lab/adapter").model.named_parameters())


def test_a_short_name_is_the_model_that_it_stands_for(
    hub: Callable[[str, str], None], small_policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub("some-lab/policy", small_policy)
    monkeypatch.setitem(BASE_MODELS, "mine", "some-lab/policy")
    assert torch.equal(logits("mine"), logits(small_policy))
    # And the one that ships: about 2 M parameters.
    assert 1e6 < load_policy("tiny").model.num_parameters() < 3e6


def test_an_adapter_whose_base_is_gone_is_refused(
    hub: Callable[[str, str], None], small_policy: str, adapter: str
) -> None:
    (Path(adapter) / "base.json").unlink()  # as one is that others have made
    file = Path(adapter) / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": "/no/such/base"}))
    rule = rf"^the adapter {adapter} needs the base .* model must be one of .*folder, got '/no/such/base'"
    with pytest.raises(UserError, match=rule):
        load_policy(adapter)


def test_a_hub_id_that_is_not_there_is_refused(
    hub: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BASE_MODELS, "mine", "some-lab/none")
    rule = (
        r"^model must be on this machine where the model hub is not reached, got 'mine' "
        r"\(some-lab/none\), which is not in .*/hub \(HF_HUB_OFFLINE is set\); run "
        r"`hf download some-lab/none` where there is a network"
    )
    with pytest.raises(UserError, match=rule):
        load_policy("mine")


def test_a_hub_that_is_not_reached_is_asked_once(
    hub: Callable[[str, str], None], small_policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def unreached() -> Hub:
        asked.append(True)
        return Hub("https://hub.example", problem="Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(common.hub, "_hub", cache(unreached))
    with pytest.raises(UserError, match=r"hub.example is not reached: Name or service not known\); run `hf"):
        load_policy("some-lab/policy")
    hub("some-lab/policy", small_policy)
    assert torch.equal(logits("some-lab/policy"), logits(small_policy))
    assert asked == [True]


@pytest.fixture
def names(
    hub: Callable[[str, str], None], small_policy: str, adapter: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A name of each kind."""
    hub("some-lab/policy", small_policy)
    monkeypatch.setitem(BASE_MODELS, "mine", small_policy)
    return {"model": small_policy, "adapter": adapter, "hub id": "some-lab/policy", "short name": "mine"}


@pytest.mark.parametrize("kind", ["model", "adapter", "hub id", "short name"])
def test_sft_takes_each_of_them(
    make_config: Callable[..., TrainingConfig], names: dict[str, str], tmp_path: Path, kind: str
) -> None:
    name = names[kind]
    config = make_config(base_model=name, max_steps=1, optimizer__warmup_ratio=0.0)
    trained = run_sft(config, str(tmp_path / "pairs.jsonl"), str(tmp_path / "again"), quiet)
    assert base_of_adapter(trained) == name
    stored = json.loads((trained / "adapter_config.json").read_text())
    assert stored["base_model_name_or_path"] == BASE_MODELS.get(name, name)
    assert not torch.equal(logits(str(trained)), logits(name))
