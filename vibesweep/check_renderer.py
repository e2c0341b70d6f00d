"""`vibesweep check-renderer`: does a renderer keep the contract that the CLAP scorer relies on?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from common.errors import UserError, first_problem
from common.reward_config import ClapScorerConfig

__all__ = ["check_renderer"]

EXIT_BROKEN: Final = 1


def check_renderer(
    renderer: Annotated[str, typer.Argument(help="module:callable, as in grpo.reward.clap.renderer.")],
    seconds: Annotated[float, typer.Option(help="Length of most clips in seconds.", min=0.5, max=60.0)] = 1.0,
    device: Annotated[str, typer.Option(help="Where to render: cpu, cuda.")] = "cpu",
) -> int:
    """Check a renderer: one line for each rule, exit code 1 if one is broken."""
    try:
        ClapScorerConfig(renderer=renderer)
    except ValidationError as error:
        raise UserError(f"RENDERER must be module:callable: {first_problem(error)}") from error
    # torch takes seconds to import; --help and the error above do not need it.
    from rewards.clap.model import pick_device  # noqa: PLC0415
    from rewards.renderer_contract import check_renderer as check  # noqa: PLC0415

    # A renderer in the making lies where its author works. An installed command does not look there.
    sys.path.insert(0, str(Path.cwd()))
    where = str(pick_device(device))
    broken = 0
    for rule, problem in check(renderer, device=where, seconds=seconds):
        broken += problem is not None
        # One line each, whatever a renderer raises.
        verdict = f"ok    {rule}" if problem is None else f"FAIL  {rule}: {' '.join(problem.split())}"
        print(verdict, flush=True)
    return EXIT_BROKEN if broken else 0
