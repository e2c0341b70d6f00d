"""`vibesweep noise-floor`: how much of a score difference is noise, and what a sweep can detect."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from search_spaces import SweepFile, load_sweep_file

if TYPE_CHECKING:
    from common.noise_floor import NoiseFloor

__all__ = ["noise_floor"]

_SEEDS: Final = (1, 2, 3, 5)
_VIBES: Final = (16, 32, 64, 118, 256)


def noise_floor(
    file: Annotated[
        Path | None, typer.Argument(help="Sweep file whose model and objective are measured; else tiny ones.")
    ] = None,
    vibes: Annotated[int, typer.Option(min=2, help="Held-out vibes to measure on.")] = 32,
    decoding_seeds: Annotated[int, typer.Option(min=2, help="Completions of each vibe.")] = 4,
    render_seeds: Annotated[int, typer.Option(min=2, help="Renders of each config.")] = 4,
    clips: Annotated[int, typer.Option(min=2, help="Random configs that are rendered.")] = 16,
    runs: Annotated[
        Path | None, typer.Option(help="Finished sweep that tells how far training seeds differ.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how far scores move by chance, and the smallest difference that a sweep can detect.

    The result is kept for `sweep plan`.
    """
    sweep = _tiny() if file is None else load_sweep_file(file)
    # torch and transformers take seconds to import; --help and errors above do not need them.
    from analysis import load_sweep  # noqa: PLC0415
    from analysis.detectable import seed_spread_of  # noqa: PLC0415
    from common.noise_floor import (  # noqa: PLC0415
        NoiseFloor,
        noise_floors_file,
        read_noise_floors,
        store_noise_floor,
    )
    from trainables.data import data_path, held_out_rows, load_rows  # noqa: PLC0415
    from trainables.noise_floor import measure_noise_floor  # noqa: PLC0415

    path = noise_floors_file()
    read_noise_floors(path)  # refused before minutes are spent
    spread = None if runs is None else seed_spread_of(load_sweep(runs))
    config = sweep.base_config()
    objective = sweep.objective.model_copy(update={"num_vibes": vibes})
    held_out = data_path(sweep.data.held_out, "held_out")
    floor = measure_noise_floor(
        config,
        objective,
        held_out_rows(load_rows(held_out, config.data), objective, held_out),
        decoding_seeds=decoding_seeds,
        render_seeds=render_seeds,
        clips=clips,
        say=_say,
    )
    floor = NoiseFloor.model_validate(floor.model_dump() | {"objective_seeds": spread})
    store_noise_floor(path, floor)
    _say(f"kept in {path}")
    if as_json:
        print(json.dumps(_as_json(floor), indent=2))
    else:
        _print(floor, runs)


def _tiny() -> SweepFile:
    """The embedded models, evaluated as the shipped sweeps do."""
    return SweepFile.model_validate(
        {
            "name": "tiny",
            "base": {"base_model": "tiny"},
            "objective": {"temperature": 0.5, "max_completion_length": 112},
        }
    )


def _detectable(floor: NoiseFloor) -> list[list[float]]:
    """[seeds, vibes] smallest detectable differences."""
    from analysis.detectable import smallest_detectable  # noqa: PLC0415 - scipy

    return [[smallest_detectable(floor, seeds=s, vibes=v) for v in _VIBES] for s in _SEEDS]


def _as_json(floor: NoiseFloor) -> dict[str, Any]:
    detectable = [
        {"seeds": seeds, "vibes": vibes, "difference": difference}
        for seeds, row in zip(_SEEDS, _detectable(floor), strict=True)
        for vibes, difference in zip(_VIBES, row, strict=True)
    ]
    return floor.model_dump(mode="json") | {"smallest_detectable": detectable}


def _print(floor: NoiseFloor, runs: Path | None) -> None:
    """The table for people."""
    seeds = "not measured: add --runs with a finished sweep"
    if floor.objective_seeds is not None:
        seeds = f"{floor.objective_seeds:.4f}   from {runs}"
    lines = [
        f"{floor.key.base_model}, {floor.scorer_id} on {floor.renderer_id}",
        "",
        "standard deviation of a completion's objective",
        f"  decoding seed      {floor.objective_decoding:.4f}",
        f"  training seed      {seeds}",
        f"  (between vibes     {floor.objective_vibes:.4f}   not counted: comparisons are paired by vibe)",
        "standard deviation of a config's audio score",
        f"  render seed        {floor.audio_render:.4f}",
        f"  (between configs   {floor.audio_configs:.4f})",
        "largest change of an audio score by CLAP's numerics",
        f"  microbatch shape   {floor.numerics_microbatch:.1e}",
        f"  threads            {floor.numerics_threads:.1e}",
        "",
        "smallest difference between two configurations that a sweep finds 4 times in 5, at 95 % confidence",
        "  seeds" + "".join(f"{f'{vibes} vibes':>12}" for vibes in _VIBES),
    ]
    lines += [
        f"  {number:>5}" + "".join(f"{difference:>12.4f}" for difference in row)
        for number, row in zip(_SEEDS, _detectable(floor), strict=True)
    ]
    if floor.objective_seeds is None:
        lines.append("  What training seeds add is not in it, so the true ones are larger.")
    print("\n".join(lines))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
