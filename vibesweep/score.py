"""`vibesweep score` and `vibesweep render`: one config, its components or its sound."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from common.errors import RewardError, UserError, first_problem
from common.music_schema import MusicConfig
from common.reward_config import ClapScorerConfig, RewardConfig
from vibesweep.options import existing_file, read_json

__all__ = ["render", "score"]

AUDIO_FORMATS = (".wav", ".flac")


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


def render(
    config: Annotated[Path, typer.Argument(help="JSON file: a payload, or its config part alone.")],
    output: Annotated[Path, typer.Argument(help="Sound file to write: .wav or .flac.")],
    seconds: Annotated[float, typer.Option(help="Length in seconds.", min=0.5, max=600.0)] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of the render noise.", min=0)] = 0,
) -> None:
    """Render one music config to a stereo sound file at 48 kHz."""
    if output.suffix.lower() not in AUDIO_FORMATS:
        raise UserError(f"OUTPUT must end in {' or '.join(AUDIO_FORMATS)}, got {str(output)!r}")
    if not output.parent.is_dir():
        raise UserError(f"OUTPUT must lie in an existing folder, got {str(output)!r}; make {output.parent}")
    music = _read_config(read_json(config, "CONFIG"), config)
    import soundfile  # noqa: PLC0415 - torch and soundfile only where sound is made

    from rewards.render import render as render_configs  # noqa: PLC0415

    sample_rate = 48_000
    [clip] = render_configs([music], seconds=seconds, sample_rate=sample_rate, seed=seed)
    unfinished = output.with_name(f".{output.stem}.part{output.suffix}")
    try:
        soundfile.write(unfinished, clip.T.numpy(), sample_rate)
        unfinished.replace(output)
    except (OSError, soundfile.LibsndfileError) as error:
        unfinished.unlink(missing_ok=True)
        raise UserError(f"OUTPUT must be writable, got {str(output)!r}: {error}") from error
    print(f"{output}: {seconds:g} s, stereo, {sample_rate} Hz")


def _read_config(value: Any, path: Path) -> MusicConfig:
    inner = value["config"] if isinstance(value, dict) and "config" in value else value
    try:
        return MusicConfig.model_validate(inner)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error
