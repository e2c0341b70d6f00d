"""`vibesweep score`: the components and the reward of one config, or of every line of a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic import ValidationError

from common.errors import RewardError, UserError, first_problem
from common.music_schema import CONFIG_LABELS
from common.reward_config import ClapBackendName, ClapScorerConfig, RewardConfig
from vibesweep.options import existing_file
from vibesweep.score_file import score_file

if TYPE_CHECKING:
    from rewards import Components

__all__ = ["score"]

DEFAULT_BATCH: Final = 64
NAMED_RULES: Final = 10
"""Broken rules that are named one by one."""


def score(
    config: Annotated[
        Path,
        typer.Argument(
            help="JSON file: a payload, or its config part alone. JSONL file: on each line a vibe with a "
            "config or a completion, or a row with config_payload.",
        ),
    ],
    out: Annotated[Path | None, typer.Argument(help="Parquet file for a JSONL file's scores.")] = None,
    vibe: Annotated[str | None, typer.Option(help="The text that one config's sound should fit.")] = None,
    clap: Annotated[
        str, typer.Option(help="CLAP model: a short name, hub id or folder; a file or name with laion-clap.")
    ] = "tiny",
    clap_backend: Annotated[ClapBackendName, typer.Option(help="The library that runs it.")] = "transformers",
    batch: Annotated[
        int | None,
        typer.Option(
            help=f"Lines of a JSONL file that are scored and kept together; {DEFAULT_BATCH} for each scorer.",
            min=1,
            max=65_536,
        ),
    ] = None,
    scorers: Annotated[
        int,
        typer.Option(
            help="Ray actors that score a JSONL file, on the cluster of RAY_ADDRESS, else on this machine; 0 "
            "scores in this process.",
            min=0,
        ),
    ] = 0,
    gpus_per_scorer: Annotated[float, typer.Option(help="GPUs of each; fractions share one.", min=0)] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one config's scores as JSON.")] = False,
) -> None:
    """Score one music config for a vibe, or a JSONL file of pairs: format, schema, audio and the reward under
    default weights.

    The same command goes on with a file that was interrupted.
    """
    try:
        settings = RewardConfig(clap=ClapScorerConfig(backend=clap_backend, model=clap))
    except ValidationError as error:
        raise UserError(f"--clap: {first_problem(error)}") from error
    if config.suffix.lower() == ".jsonl":
        if vibe is not None or as_json:
            given = "--json" if vibe is None else "--vibe"
            raise UserError(f"{given} must be left out for a JSONL file; vibes are in it, scores in OUT")
        if out is None:
            raise UserError(f"OUT must be named for a JSONL file, got none; add it after {config}")
        size = batch or DEFAULT_BATCH * max(1, scorers)
        score_file(config, out, settings, size, scorers=scorers, gpus_per_scorer=gpus_per_scorer)
        return
    if out is not None or batch is not None or scorers:
        given = f"OUT {str(out)!r}" if out is not None else "--scorers" if scorers else "--batch"
        raise UserError(f"{given} must be left out for one config; a file of several ends in .jsonl")
    if vibe is None:
        raise UserError("--vibe must be given for one config, got none; add it")
    _score_one(config, vibe, settings, as_json=as_json)


def _score_one(config: Path, vibe: str, settings: RewardConfig, *, as_json: bool) -> None:
    text = _as_payload(existing_file(config, "CONFIG").read_text(encoding="utf-8", errors="surrogateescape"))
    # torch and transformers take seconds to import; --help and errors above do not need them.
    from rewards import Scorer, audio_backend, weighted_reward  # noqa: PLC0415

    scorer = Scorer(audio_backend("clap", settings.clap, None))
    [components] = scorer.score([vibe], [text])
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
    for line in _explained(text, components, settings.audio_floor):
        print(line)


def _explained(text: str, components: Components, audio_floor: float) -> list[str]:
    """What cost points, in lines; none for a whole payload that keeps the contract."""
    from rewards import first_json_object  # noqa: PLC0415
    from rewards.schema import leaf_rules  # noqa: PLC0415

    payload, is_whole = first_json_object(text)
    lines = []
    if payload is None:
        lines.append("no JSON object was found, so no schema rule holds")
    elif not is_whole:
        lines.append("there is text around the JSON object, so format is 0")
    rules = list(leaf_rules(payload))
    broken = [name for name, holds in rules if not holds]
    if broken:
        lines.append(f"{len(broken)} of {len(rules)} schema rules are broken:")
        lines += [f"  {name}" for name in broken[:NAMED_RULES]]
    if len(broken) > NAMED_RULES:
        lines.append(f"  and {len(broken) - NAMED_RULES} more")
    if not components.renderable:
        lines.append(f"the config cannot be rendered, so audio is its floor, {audio_floor:g};")
        lines.append("such a completion is scored like this in training too, and is no error")
    return lines


def _as_payload(text: str) -> str:
    """The text as a completion; a bare config is put where a payload has it."""
    from rewards import first_json_object  # noqa: PLC0415

    found, is_whole = first_json_object(text)
    if found is None or not is_whole or "config" in found or not found.keys() & CONFIG_LABELS.keys():
        return text
    return json.dumps({"config": found})
