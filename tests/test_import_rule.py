"""Imports point one way, and the light rooms stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "common": set(),
    "search_spaces": {"common"},
    "rewards": {"common"},
    "trainables": {"common", "search_spaces", "rewards"},
    "cluster": {"common", "search_spaces", "rewards", "trainables"},
    "analysis": {"common", "search_spaces"},
    "tiny": {"common", "rewards", "trainables"},
    "vibesweep": {"common", "search_spaces", "rewards", "trainables", "cluster", "analysis"},
}
HEAVY = {
    "common": ("torch", "ray", "transformers"),
    "search_spaces": ("torch", "ray", "transformers"),
    "analysis": ("torch", "ray", "transformers"),
    "rewards": ("ray",),
}


def imported_rooms(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names & set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert files, f"{room} has no source files"
    for path in files:
        beyond = imported_rooms(path) - ALLOWED[room] - {room}
        assert not beyond, f"{path.relative_to(ROOT)} imports {', '.join(sorted(beyond))}"


@pytest.mark.parametrize("room", HEAVY)
def test_every_module_of_a_light_room_imports_without_heavy_libraries(room: str) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / room).rglob("*.py")
    ]
    assert_loads_none_of(modules, HEAVY[room])


@pytest.mark.parametrize("module", ["cluster.sweep", "cluster.trainable"])
def test_driver_and_trial_wrapper_load_no_torch(module: str) -> None:
    # A driver never uses it, and a process of a trial only in the trial: half a gigabyte and six seconds.
    assert_loads_none_of([module], ("torch", "transformers"))


def assert_loads_none_of(modules: list[str], heavy: tuple[str, ...]) -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
