"""What of a working directory is sent with a job."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from cluster.jobs import package
from cluster.jobs.package import biggest, in_mib, packed_files, write_package
from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def put(folder: Path, *names: str, size: int = 1) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(size))


def names(folder: Path) -> list[str]:
    return [file.name for file in packed_files(folder)]


def test_results_environments_and_secrets_stay_behind_without_any_ignore_file(tmp_path: Path) -> None:
    put(
        tmp_path, "a.py", "sub/b.py", "runs/x/sweep.json", ".venv/bin/python", ".git/HEAD", ".env",
        "checkpoints/sft/model.bin", "sub/checkpoint-3/optimizer.pt", "sub/__pycache__/b.pyc", ".netrc",
        "sub/runs/y", ".env.local", "wandb/run-1",
    )  # fmt: skip
    assert names(tmp_path) == ["a.py", "sub/b.py"]


def test_ignore_files_count_for_what_lies_below_them_and_the_inner_one_wins(tmp_path: Path) -> None:
    put(tmp_path, "big.wav", "keep.wav", "sub/c.wav", "sub/d.txt", "sub/e.csv", "f.csv", "g.txt")
    (tmp_path / ".gitignore").write_text("*.wav\n!keep.wav\n")
    (tmp_path / ".vibesweepignore").write_text("/g.txt\n")
    (tmp_path / "sub" / ".gitignore").write_text("!c.wav\ne.csv\n")
    assert names(tmp_path) == [".gitignore", ".vibesweepignore", "f.csv", "keep.wav", "sub/.gitignore",
                               "sub/c.wav", "sub/d.txt"]  # fmt: skip


def test_what_is_left_out_is_what_git_leaves_out(tmp_path: Path) -> None:
    put(tmp_path, "a.py", "data/x.parquet", "data/y.json", "out/1.log", "out/keep.log", "deep/out/2.log")
    (tmp_path / ".gitignore").write_text("out/*\n!out/keep.log\n*.parquet\n/deep/out/\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert names(tmp_path) == sorted(listed.stdout.split())
    assert names(tmp_path) == [".gitignore", "a.py", "data/y.json", "out/keep.log"]


def test_links_are_followed_and_a_link_back_ends(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "vibes.jsonl")
    put(tmp_path / "work", "a.py")
    (tmp_path / "work" / "data").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "work" / "back").symlink_to(tmp_path / "work")
    (tmp_path / "work" / "lost").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path / "work") == ["a.py", "data/vibes.jsonl"]


def test_equal_files_make_equal_packages_with_their_modes(tmp_path: Path) -> None:
    put(tmp_path / "work", "a.py", "run.sh")
    (tmp_path / "work" / "run.sh").chmod(0o755)
    files = packed_files(tmp_path / "work")
    size = write_package(files, tmp_path / "one.zip")
    os.utime(tmp_path / "work" / "a.py", (0, 0))
    assert write_package(files, tmp_path / "two.zip") == size == (tmp_path / "one.zip").stat().st_size
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with ZipFile(tmp_path / "one.zip") as written:
        assert written.read("a.py") == (tmp_path / "work" / "a.py").read_bytes()
        assert written.getinfo("run.sh").external_attr >> 16 == 0o755


def test_a_package_over_the_limit_names_what_is_big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "LIMIT_BYTES", 2 * 2**20)
    put(tmp_path / "work", "small.bin", size=2**19)
    put(tmp_path / "work", "clips/long.wav", size=9 * 2**20)
    files = packed_files(tmp_path / "work")
    assert [file.name for file in biggest(files)] == ["clips/long.wav", "small.bin"]
    with pytest.raises(
        UserError,
        match=r"pack into 2\.0 MiB.*got 9\.5 MiB in 2 files; the biggest are clips/long\.wav \(9\.0 MiB\)",
    ):
        write_package(files, tmp_path / "p.zip")
    assert (tmp_path / "p.zip").stat().st_size < 4 * 2**20, "it is given up at the limit"


def test_nothing_to_send_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be a folder, got"):
        packed_files(tmp_path / "nowhere")
    put(tmp_path, "runs/x")
    with pytest.raises(UserError, match="got none"):
        packed_files(tmp_path)


def test_sizes_are_told_in_kib_below_a_tenth_of_a_mib() -> None:
    # 102,400 / 1,024 = 100; 1,258,291 / 1,048,576 = 1.2
    assert (in_mib(102_400), in_mib(1_258_291)) == ("100 KiB", "1.2 MiB")
