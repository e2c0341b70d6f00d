"""`vibesweep score`: the components and the reward of one config."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from common.errors import RewardError
from common.music_schema import MusicConfig
from common.reward_config import ClapScorerConfig, RewardConfig
from vibesweep.options import existing_file

__all__ = ["score"]


def score(
    config: Annotated[Path, typer.Argument(help="JSON file: a payload, or its config part alone.")],
    vibe: Annotated[str, typer.Option(help="The text that the sound should fit.")],
    clap: Annotated[str, typer.Option(help="CLAP model: a short name, hub id or folder.")] = "tiny",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score one music config for a vibe: format, schema, audio and the reward under default weights."""
    text = existing_file(config, "CONFIG").read_text(encoding="utf-8", errors="surrogateescape")
    settings = RewardConfig(clap=ClapScorerConfig(model=clap))
    # torch and transformers take seconds to import; --help and errors above do not need them.
    from rewards import Scorer, audio_backend, weighted_reward  # noqa: PLC0415

    scorer = Scorer(audio_backend("clap", settings.clap, None))
    [components] = scorer.score([vibe], [_as_payload(text)])
    if components.unscored is not None:
        raise RewardError(f"{config} could not be scored: {components.unscored}")
    reward = weighted_reward(components, settings.weights, settings.audio_floor)
    values = {name: asdict(components)[name] for name in ("format", "schema", "audio")} | {"reward": reward}
    if values["audio"] is None:
        values["audio"] = settings.audio_floor
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        print(f"{name:<8}{value:>8.4f}")
    if not components.renderable:
        print(f"the config cannot be rendered, so audio is its floor, {settings.audio_floor:g}")


def _as_payload(text: str) -> str:
    """The text as a completion; a bare config is put where a payload has it."""
    try:
        bare = MusicConfig.model_validate_json(text)
    except ValidationError:
        return text
    return json.dumps({"config": bare.model_dump()})
