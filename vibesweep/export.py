"""`vibesweep export`: a sweep's winner as a folder to take home: settings, adapter, merged weights."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
import yaml

from common.errors import UserError
from common.training_config import BASE_MODELS, resolve_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.prompt_registry import PromptVersion

__all__ = ["export"]

CONFIG_FILE: Final = "training_config.json"
PROMPTS_FILE: Final = "prompts.yaml"
ADAPTER_FILE: Final = "adapter_config.json"
"""PEFT's."""


def export(
    place: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="The sweep's folder, such as runs/quickstart.")
    ],
    best: Annotated[
        bool, typer.Option("--best", help="The best configuration's seed with the highest objective.")
    ] = False,
    trial: Annotated[str | None, typer.Option(help="A trial's id, such as t003-s1.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="New folder for it; exports/TRIAL in the sweep's by default.")
    ] = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="Also the base with the adapter merged, for plain transformers.")
    ] = False,
) -> None:
    """Write a trial's settings and adapter, with a model card, to a folder of their own."""
    if best == (trial is not None):
        raise UserError("what to export must be said once, with --best or with --trial ID")
    if "://" in place:
        raise UserError(
            f"what is exported from must be a folder on this machine, got the URL {place!r}; copy the sweep "
            "here first, with a tool such as `aws s3 sync`"
        )
    directory = Path(place)
    from analysis import compute_ranking, load_sweep  # noqa: PLC0415
    from analysis.model_card import model_card  # noqa: PLC0415
    from analysis.summary import short_name  # noqa: PLC0415
    from analysis.winner import best_trial, cautions, named_trial  # noqa: PLC0415
    from trainables.adapter_export import export_adapter  # noqa: PLC0415 - imports peft

    sweep = load_sweep(place)
    ranking = compute_ranking(sweep)
    winner = best_trial(sweep, ranking) if trial is None else named_trial(sweep, ranking, trial)
    trial_id = winner.trial.record.trial_id
    folder = output or directory / "exports" / trial_id
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"--output must be new or empty, got {str(folder)!r}; name another folder")

    base = _shown_base(winner.config.base_model)
    on_adapter = (Path(resolve_model(winner.config.base_model, BASE_MODELS)) / ADAPTER_FILE).is_file()
    card = model_card(sweep, ranking, winner, base=base, base_is_adapter=on_adapter)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        export_adapter(directory / "trials" / trial_id / "adapter", unfinished / "adapter", card)
        settings = winner.config.model_dump_json(indent=2)
        (unfinished / CONFIG_FILE).write_text(f"{settings}\n", encoding="utf-8")
        if prompts := sweep.record.sweep.prompts:
            _write_prompts(unfinished / PROMPTS_FILE, prompts)
        if merged:
            from trainables.export import export_merged  # noqa: PLC0415 - imports torch and transformers

            print("merging the adapter into its base", file=sys.stderr)
            export_merged(str(unfinished / "adapter"), unfinished / "merged")
        if folder.is_dir():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

    row, seed = winner.row, winner.trial.record.seed
    print(f"{trial_id}: {short_name(row)}, seed {seed}; objective {winner.by_seed[seed]:.3f}")
    for sentence in cautions(winner, ranking):
        print(sentence)
    print(f"\nsettings     {folder / CONFIG_FILE}  (vibesweep train grpo --config-file)")
    if sweep.record.sweep.prompts:
        print(f"prompts      {folder / PROMPTS_FILE}  (--prompts-file, which these settings need)")
    print(f"adapter      {folder / 'adapter'}  (its README.md says how to load it)")
    if merged:
        print(f"merged       {folder / 'merged'}")


def _shown_base(base_model: str) -> str:
    """What transformers loads it by; the embedded one's folder as seen from the project's own."""
    known = BASE_MODELS.get(base_model)
    return known or resolve_model(base_model, BASE_MODELS)


def _write_prompts(path: Path, prompts: Mapping[str, PromptVersion]) -> None:
    """The sweep's own prompts, as `--prompts-file` takes them."""
    content = {name: prompt.model_dump(mode="json", exclude={"name"}) for name, prompt in prompts.items()}
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
