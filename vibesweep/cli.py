"""The `vibesweep` command: its verbs, and how failures end: a line on stderr and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Final

import typer
from typer.exceptions import Abort, Exit, TyperException
from typer.main import get_command

from cluster.jobs.credentials import open_credentials
from common.errors import (
    ClusterError,
    OverBudgetError,
    ProblemsError,
    RewardError,
    TrialError,
    UserError,
)
from vibesweep import (
    __version__,
    check_renderer,
    compare,
    doctor,
    export,
    importance,
    jobs,
    noise_floor,
    rank,
    render,
    report,
    score,
    space,
    status,
    submit,
    sweep,
    train,
    vibes,
)

__all__ = ["app", "main"]

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USER_ERROR: Final = 2
EXIT_OVER_BUDGET: Final = 3
EXIT_INFRASTRUCTURE: Final = 4
EXIT_BUG: Final = 70
"""A traceback: Python's own exit code for it would say that trials failed."""
EXIT_STOPPED: Final = 130

app = typer.Typer(
    name="vibesweep",
    help="Find the GRPO settings that make a small language model write the best music.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(sweep.app, name="sweep")
app.add_typer(train.app, name="train")
app.add_typer(space.app, name="space")
app.add_typer(vibes.app, name="vibes")
app.command("rank")(rank.rank)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("importance")(importance.importance)
app.command("export")(export.export)
app.command("submit")(submit.submit)
app.command("status")(status.status)
app.command("logs")(jobs.logs)
app.command("stop")(jobs.stop)
app.command("list")(jobs.list_jobs)
app.command("score")(score.score)
app.command("noise-floor")(noise_floor.noise_floor)
app.command("render")(render.render)
app.command("doctor")(doctor.doctor)
app.command("check-renderer")(check_renderer.check_renderer)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vibesweep {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `vibesweep`; the process's own where None.

    Returns:
        The exit code: 0 done, 1 trials or a training failed, 2 the user's error, 3 a sweep beyond its budget
        or at its end, 4 the cluster's or the disk's failure, or what `doctor` has found, 130 stopped.
    """
    try:
        open_credentials()
        code = get_command(app).main(args=arguments, prog_name="vibesweep", standalone_mode=False)
    except Exit as end:
        return end.exit_code
    except (
        TyperException,
        UserError,
        TrialError,
        RewardError,
        ClusterError,
        KeyboardInterrupt,
        Abort,
    ) as error:
        messages, code = _ending(error)
        for message in messages:
            print(f"vibesweep: {' '.join(message.split())}", file=sys.stderr)
    return code if isinstance(code, int) else EXIT_OK


def _ending(error: BaseException) -> tuple[tuple[str, ...], int]:
    """The lines and the exit code that a failure ends with: one line, or one for each of several errors."""
    match error:
        case TyperException():
            return (f"{error.format_message()} (see --help)",), EXIT_USER_ERROR
        case ProblemsError():
            return error.problems, EXIT_USER_ERROR
        case UserError():
            is_costly = isinstance(error, OverBudgetError)
            return (str(error),), EXIT_OVER_BUDGET if is_costly else EXIT_USER_ERROR
        case TrialError() | RewardError():
            return (str(error),), EXIT_FAILED
        case ClusterError():
            return (str(error),), EXIT_INFRASTRUCTURE
        case _:
            return ("stopped",), EXIT_STOPPED


def main() -> None:
    """Entry point of the console command."""
    try:
        code = run()
    except Exception:
        # A bug of ours: told whole, but not with Python's own exit code, which says that trials failed.
        traceback.print_exc()
        code = EXIT_BUG
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
