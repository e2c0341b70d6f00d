"""docs/cluster.md names files and commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from ray.scripts.scripts import cli as ray_cli
from typer.main import get_command

from vibesweep.cli import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "cluster.md").read_text()
LINES = [
    line.partition("   #")[0]
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
VIBESWEEP = sorted({found for line in LINES for found in re.findall(r"(?:^|-m |')vibesweep ([^'&]+)", line)})
RAY = sorted({found for line in LINES for found in re.findall(r"(?:^|\$\()ray ([^&>|]+)", line)})


def parse(command: Any, words: list[str]) -> None:
    """Walk down to the verb that is named, and let it read its options without running it."""
    while words and (commands := getattr(command, "commands", None)):
        command = commands[words.pop(0)]
    command.make_context("command", words)


@pytest.mark.parametrize("words", VIBESWEEP)
def test_vibesweep_takes_the_command(words: str) -> None:
    parse(get_command(app), shlex.split(words))


@pytest.mark.parametrize("words", RAY)
def test_ray_takes_the_command(words: str) -> None:
    parse(ray_cli, shlex.split(words))


def test_the_commands_were_found() -> None:
    verbs = {words.split()[0] for words in RAY}
    assert {"up", "dashboard", "exec", "job", "start", "stop", "get-auth-token", "monitor"} <= verbs
    assert len(VIBESWEEP) >= 8


def test_linked_and_named_files_exist() -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link}
    assert len(links) >= 5
    assert all((ROOT / "docs" / link).exists() for link in links)
    named = set(re.findall(r"\b(?:cluster|sweeps)/[\w/.-]+\.yaml", TEXT))
    assert len(named) >= 6
    assert all((ROOT / name).is_file() for name in named)
