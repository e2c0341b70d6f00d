"""Credentials go by name, sealed with the cluster's token."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from cluster.jobs.credentials import ALWAYS, OPENER, SEALED, open_credentials, sealed, values_of
from common.errors import ClusterError, UserError
from rewards.plugins import load_callable

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = secrets.token_hex(32)


@pytest.fixture(autouse=True)
def _no_token_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", SEALED, *ALWAYS):
        monkeypatch.delenv(name, raising=False)


def test_what_is_named_and_what_always_goes_is_read_from_the_environment() -> None:
    environment = {"MINE": "m", "HF_TOKEN": "h", "OTHER": "o", "WANDB_API_KEY": ""}
    assert values_of(["MINE"], environment) == {"MINE": "m", "HF_TOKEN": "h"}
    assert values_of([], {}) == {}


@pytest.mark.parametrize("given", ["KEY=hunter2", "MISSING"])
def test_a_value_in_place_of_a_name_and_an_unset_name_are_refused_without_showing_a_value(given: str) -> None:
    with pytest.raises(
        UserError, match=f"--env-var (must be a name, got KEY=…|{given} must be set)"
    ) as refused:
        values_of([given], {"KEY": "hunter3"})
    assert "hunter" not in str(refused.value)


def test_they_travel_unreadable_and_are_opened_with_the_same_token(monkeypatch: pytest.MonkeyPatch) -> None:
    carried = sealed({"HF_TOKEN": "hf_marker", "MINE": "with spaces, and ü"}, TOKEN)
    assert list(carried) == [SEALED]
    assert "marker" not in carried[SEALED]
    monkeypatch.setenv(SEALED, carried[SEALED])
    monkeypatch.setenv("RAY_AUTH_TOKEN", f"{TOKEN}\n")
    for name in ("HF_TOKEN", "MINE"):
        monkeypatch.setenv(name, "before")  # so that they are put back
    open_credentials()
    assert (os.environ["HF_TOKEN"], os.environ["MINE"]) == ("hf_marker", "with spaces, and ü")


def test_nothing_to_carry_carries_nothing() -> None:
    assert sealed({}, TOKEN) == {}
    open_credentials()


def test_the_token_may_lie_in_the_file_of_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    monkeypatch.setenv("MINE", "before")
    monkeypatch.setenv(SEALED, sealed({"MINE": "after"}, TOKEN)[SEALED])
    open_credentials()
    assert os.environ["MINE"] == "after"


def test_a_node_without_the_token_says_so_and_names_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEALED, sealed({"MINE": "marker"}, TOKEN)[SEALED])
    with pytest.raises(ClusterError, match="this node has no RAY_AUTH_TOKEN"):
        open_credentials()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(ClusterError, match="this node's token is another one") as refused:
        open_credentials()
    assert "marker" not in str(refused.value)


def test_ray_finds_what_opens_them_by_its_name() -> None:
    module, _, name = OPENER.rpartition(".")
    assert load_callable(f"{module}:{name}") is open_credentials
