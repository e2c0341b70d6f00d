"""Every node is asked whether it sees the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def test_a_node_sees_what_was_written_and_only_that(tmp_path: Path) -> None:
    import ray  # noqa: PLC0415 - started for these tests only

    from cluster.shared_storage import blind_nodes  # noqa: PLC0415

    here = ray.get_runtime_context().get_node_id()
    token, other = tmp_path / ".seen-abc", tmp_path / ".seen-xyz"
    token.write_text("abc")
    other.write_text("another folder's")
    assert blind_nodes(token, [here]) == []
    assert blind_nodes(other, [here]) == [here]
    assert blind_nodes(tmp_path / ".seen-none", [here]) == [here]
    gone = "a" * 56
    assert blind_nodes(token, [here, gone], patience_s=5) == [gone]


def test_a_node_reads_a_token_in_a_bucket_too(tmp_path: Path) -> None:
    import ray  # noqa: PLC0415

    from cluster.shared_storage import blind_nodes  # noqa: PLC0415

    here = ray.get_runtime_context().get_node_id()
    (tmp_path / ".seen-abc").write_text("abc")
    assert blind_nodes(f"{tmp_path.as_uri()}/.seen-abc", [here]) == []
    assert blind_nodes(f"{tmp_path.as_uri()}/.seen-none", [here]) == [here]


def test_a_storage_that_others_do_not_see_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray  # noqa: PLC0415

    from cluster import shared_storage  # noqa: PLC0415

    def node(name: str, address: str) -> dict[str, Any]:
        return {"NodeID": name, "NodeManagerAddress": address, "Alive": name != "dead"}

    here = ray.get_runtime_context().get_node_id()
    nodes = [node(here, "10.0.0.1"), node("b", "10.0.0.2"), node("c", "10.0.0.3"), node("dead", "10.0.0.4")]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    asked: list[list[str]] = []

    def blind(token: Path, others: list[str]) -> list[str]:
        assert token.read_text() == token.name.removeprefix(".seen-")
        asked.append(others)
        return ["c"]

    monkeypatch.setattr(shared_storage, "blind_nodes", blind)
    said = r"one folder on all 3 nodes, got '.*', which 1 of them cannot read \(10.0.0.3\); mount a shared"
    with pytest.raises(UserError, match=said):
        shared_storage.check_shared(tmp_path)
    assert asked == [["b", "c"]]
    assert list(tmp_path.iterdir()) == []
