"""Versioned prompts by name: what the policy is told, and how vibes are drawn from raw text."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Annotated

from pydantic import Field

from common.errors import UserError
from common.model import FrozenModel
from common.music_schema import MusicConfigPayload

__all__ = [
    "PromptConfig",
    "PromptVersion",
    "get_prompt",
    "list_prompts",
    "prompt_hash",
    "register_prompt",
    "render_prompt",
]

SCHEMA_SLOT = "{schema}"


class PromptVersion(FrozenModel):
    """One version of one prompt. `{schema}` in the template stands for the contract's JSON schema."""

    name: Annotated[str, Field(min_length=1)]
    """Registry key, unique."""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    """Semantic version of the text."""
    description: str
    """One line on what this version is for."""
    template: Annotated[str, Field(min_length=1)]
    """The text."""


class PromptConfig(FrozenModel):
    """Which registered prompts a run uses."""

    vibe_extraction: str = "vibe_v1"
    """Prompt with which `vibesweep vibes extract` draws a vibe from raw text; training does not read it."""
    config_generation: str = "config_v1"
    """Prompt that asks for the music config; it becomes the default system prompt."""


_REGISTRY: dict[str, PromptVersion] = {}


def register_prompt(prompt: PromptVersion) -> None:
    """Add a prompt. Registering the same prompt again changes nothing.

    Raises:
        UserError: the name is taken by another text.
    """
    known = _REGISTRY.setdefault(prompt.name, prompt)
    if known != prompt:
        raise UserError(
            f"prompt {prompt.name!r} is registered as version {known.version}, got another text as "
            f"version {prompt.version}; register a changed prompt under a new name"
        )


def get_prompt(name: str) -> PromptVersion:
    """The prompt registered under `name`.

    Raises:
        UserError: no such prompt.
    """
    if name not in _REGISTRY:
        raise UserError(
            f"prompt must be one of {', '.join(sorted(_REGISTRY))}, got {name!r}; correct it, or name the "
            "file of your own prompts as prompts_file"
        )
    return _REGISTRY[name]


def list_prompts() -> tuple[PromptVersion, ...]:
    """All registered prompts, by name."""
    return tuple(_REGISTRY[name] for name in sorted(_REGISTRY))


def render_prompt(name: str) -> str:
    """The prompt's text with the contract's JSON schema in its `{schema}` slot."""
    return get_prompt(name).template.replace(SCHEMA_SLOT, _schema_text())


@cache
def _schema_text() -> str:
    # Every TrainingConfig renders its default prompt, and a grid has many; building the schema takes 15 ms.
    return json.dumps(MusicConfigPayload.model_json_schema(), separators=(",", ":"))


def prompt_hash(text: str) -> str:
    """First 16 hex digits of the SHA-256 of a prompt as the policy reads it: names it in the ledger."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


register_prompt(
    PromptVersion(
        name="system_v1",
        version="1.0.0",
        description="Who the policy is, without the contract",
        template="You are a composer of ambient and electronic music. You answer with one JSON object.",
    )
)
register_prompt(
    PromptVersion(
        name="config_v1",
        version="1.0.0",
        description="Asks for a whole music config and shows its JSON schema",
        template=(
            "You are a composer of ambient and electronic music. The user names a vibe. Answer with one "
            "JSON object and nothing around it: `thinking` (how the vibe becomes sound), `title` (at most "
            "6 words), `config` (every field of the schema) and `palettes` (3 palettes of 5 distinct "
            "colours, heaviest first). Keep register_min_oct <= register_max_oct. The JSON schema:\n{schema}"
        ),
    )
)
register_prompt(
    PromptVersion(
        name="vibe_v1",
        version="1.0.0",
        description="Draws a short vibe from raw text",
        template=(
            "Read the text and name its vibe in two to twelve words: mood, place, time, light, movement. "
            "Answer with the vibe alone, in lower case, without quotation marks."
        ),
    )
)
