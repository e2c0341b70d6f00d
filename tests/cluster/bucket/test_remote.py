"""Files in a bucket, which may fail for a moment or for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyarrow.fs import FileSystem

from cluster.bucket.remote import Remote
from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["s3", "file"])
def test_what_is_written_is_there_until_it_is_removed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue("bucket") if kind == "s3" else (tmp_path / "store").as_uri()
    remote = Remote.at(f"{base}/runs/x")
    assert remote.files() == []
    assert remote.read("a.json") is None
    assert remote.changed_at("a.json") is None
    remote.check_writable()
    remote.write("a.json", b"{}")
    (tmp_path / "large").write_bytes(b"0123456789" * 2**20)  # 10 MiB: more than one chunk
    remote.upload(tmp_path / "large", "trials/t0/large")
    assert remote.files() == ["a.json", "trials/t0/large"]
    assert remote.files("trials/t0") == ["trials/t0/large"]
    assert remote.changed_at("a.json")
    assert remote.download("trials/t0/large", tmp_path / "copy" / "large")
    assert (tmp_path / "copy" / "large").read_bytes() == (tmp_path / "large").read_bytes()
    assert not remote.download("trials/t0/none", tmp_path / "copy" / "none")
    remote.delete("a.json")
    remote.delete("a.json")
    assert remote.files() == ["trials/t0/large"]
    remote.write("driver.json", b"{}")
    remote.clear(but=frozenset({"driver.json"}))
    assert remote.files() == ["driver.json"]


class FailingRemote(Remote):
    """Fails at its first few writes."""

    failures = 2
    attempts = 0

    def _put(self, name: str, chunks: object) -> None:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise OSError("AWS Error SLOW_DOWN during PutObject operation")


def failing(folder: Path, waits_s: tuple[float, ...]) -> FailingRemote:
    filesystem, root = FileSystem.from_uri(folder.as_uri())
    return FailingRemote(filesystem, root, folder.as_uri(), waits_s=waits_s)


def test_what_fails_for_a_moment_is_tried_again(tmp_path: Path) -> None:
    remote = failing(tmp_path, (0.0, 0.0, 0.0))
    remote.write("a", b"")
    assert remote.attempts == 3


def test_what_fails_for_long_is_the_clusters_failure(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"writing a failed \(AWS Error SLOW_DOWN .*same command goes on"):
        failing(tmp_path, (0.0,)).write("a", b"")


def test_a_bucket_that_is_not_there_is_told_at_once(bucket: str) -> None:
    with pytest.raises(UserError, match=r"bucket that can be written, got '.*-not/x' \(.*NO_SUCH_BUCKET"):
        Remote.at(f"{bucket}-not/x").check_writable()
    with pytest.raises(ClusterError, match="NO_SUCH_BUCKET"):
        Remote.at(f"{bucket}-not/x").write("a", b"")
