"""Where a CLAP model's weights are, for each library that can run them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UserError
from common.reward_config import CLAP_MODELS, FUSED_LAION_CHECKPOINTS, LAION_CHECKPOINTS
from common.training_config import resolve_model

if TYPE_CHECKING:
    from common.reward_config import ClapBackendName

__all__ = ["FUSED_REASON", "resolve_clap"]

FUSED_REASON = (
    "a fused checkpoint marks a random element of the batch as long, so scores depend on their batch"
)
"""Why fused checkpoints are refused, whichever library would run them."""


def resolve_clap(backend: ClapBackendName, name: str) -> str:
    """The weights that a CLAP model's name stands for; nothing is loaded or downloaded.

    Args:
        backend: the library that runs the model.
        name: `ClapScorerConfig.model`.

    Returns:
        With transformers a folder or hub id; with laion-clap an absolute path, or one of LAION_CHECKPOINTS,
        to be downloaded.

    Raises:
        UserError: no such checkpoint, one of the other library, or a published one that is fused.
    """
    path = Path(name).expanduser()
    if backend == "transformers":
        if path.is_file():
            raise UserError(
                f"clap.model must be a folder or hub id of a transformers.ClapModel, got the file {name!r}; "
                "for LAION's checkpoint files set clap.backend to 'laion-clap'"
            )
        return resolve_model(name, CLAP_MODELS)
    if path.is_file():
        return str(path.resolve())
    if name in FUSED_LAION_CHECKPOINTS:
        raise UserError(
            f"clap.model must be unfused, got {name!r}; {FUSED_REASON}; take {LAION_CHECKPOINTS[1]}"
        )
    if name in LAION_CHECKPOINTS:
        return name
    raise UserError(
        f"clap.model with backend 'laion-clap' must be a checkpoint file or one of "
        f"{', '.join(LAION_CHECKPOINTS)}, got {name!r}; check the path"
    )
