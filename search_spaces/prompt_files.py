"""Prompts of the user's own: in a sweep file, or in YAML files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from common.errors import UserError, first_problem
from common.prompt_registry import PromptVersion, register_prompt
from search_spaces.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse_prompts", "read_prompts", "register_prompts_file", "with_prompts_file"]

_ENDINGS: Final = (".yaml", ".yml")


def parse_prompts(raw: Mapping[Any, Any]) -> dict[str, PromptVersion]:
    """Prompts by name, from the mapping of each name to the prompt's other fields.

    Raises:
        ValueError: the name of the prompt, and what is wrong with it.
    """
    prompts: dict[str, PromptVersion] = {}
    for key, entry in raw.items():
        name = str(key)
        fields = entry.model_dump() if isinstance(entry, PromptVersion) else entry
        if not isinstance(fields, dict):
            raise ValueError(
                f"{name}: a prompt must be a mapping with version, description and template, got {fields!r}"
            )
        if fields.get("name", name) != name:
            raise ValueError(f"{name}: its `name` must be the same, got {fields['name']!r}; leave it out")
        try:
            prompts[name] = PromptVersion.model_validate(fields | {"name": name})
        except ValidationError as error:
            raise ValueError(f"{name}.{first_problem(error)}") from error
        if not prompts[name].template.strip():
            raise ValueError(f"{name}.template: must have a text, got {prompts[name].template!r}")
    return prompts


def read_prompts(path: Path) -> dict[str, PromptVersion]:
    """The prompts in a YAML file, or in all YAML files of a folder; they are not registered yet.

    Raises:
        UserError: nothing can be read, a prompt is wrong, or a name stands for two texts.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in _ENDINGS)
        if not files:
            raise UserError(
                f"prompts_file must be a YAML file or a folder of them, got {str(path)!r} with none"
            )
    prompts: dict[str, PromptVersion] = {}
    for file in files:
        try:
            found = parse_prompts(read_yaml(file, "a prompts file"))
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{file}: {error}") from error
        _require_same(prompts, found, str(file))
        prompts |= found
    return prompts


def with_prompts_file(raw: dict[str, Any]) -> dict[str, Any]:
    """A sweep's content with the prompts of its `prompts_file` among its own: it needs no second file.

    Raises:
        ValueError: a prompt is wrong, or a name stands for two texts.
    """
    file, own = raw.get("prompts_file"), raw.get("prompts", {})
    if not isinstance(file, str) or not isinstance(own, dict):
        return raw
    read = read_prompts(Path(file))
    _require_same(read, parse_prompts(own), "prompts")
    return raw | {"prompts": read | own, "prompts_file": None}


def register_prompts_file(path: Path | None) -> None:
    """Register the prompts of a file or folder, where one is given.

    Raises:
        UserError: they cannot be read, or a name is taken by another text.
    """
    for prompt in read_prompts(path).values() if path else ():
        try:
            register_prompt(prompt)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


def _require_same(known: Mapping[str, PromptVersion], found: Mapping[str, PromptVersion], where: str) -> None:
    for name in known.keys() & found.keys():
        if known[name] != found[name]:
            raise UserError(
                f"{where}: {name}: must be one text, got two; give the changed prompt a name of its own"
            )
