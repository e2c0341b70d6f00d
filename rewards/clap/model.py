"""A CLAP model as the scorer sees it, whichever library runs it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Protocol

import torch

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from common.reward_config import ClapBackendName

__all__ = ["MAX_TEXT_TOKENS", "ClapBackend", "filled_up", "load_clap", "pick_device", "weights_hash"]

MAX_TEXT_TOKENS: Final = 77
"""Tokens of a vibe that are read, with its two markers: the length LAION's checkpoints were trained with."""


class ClapBackend(Protocol):
    """A CLAP model in evaluation mode, float32, with what prepares its inputs, all on one device.

    Every backend hears the same: whole windows of mono audio, quantized to 16 bits. And it reads the same:
    one text, unpadded, of at most MAX_TEXT_TOKENS tokens. So the same weights give the same embeddings.
    """

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of the windows, in Hz."""
        ...

    @property
    def window_samples(self) -> int:
        """Length of a window."""
        ...

    @property
    def weights_hash(self) -> str:
        """First 8 hex digits of the SHA-256 of all weights under the backend's names for them."""
        ...

    def embed_text(self, text: str) -> Tensor:
        """[D] unit embedding of one text.

        Each text passes alone and unpadded, so its embedding cannot depend on what it travels with.
        """
        ...

    def embed_windows(self, windows: Tensor, rows: int | None = None) -> Tensor:
        """Unit embeddings of mono audio.

        Args:
            windows: [B, window_samples] samples, full scale 1.
            rows: clips that the tower works on at once, at least B: the last one fills up. B by default.

        Returns:
            [rows, D] embeddings, the first B of them of the windows.

        Raises:
            ValueError: the windows have another length, or are more than `rows`.
        """
        ...


def load_clap(
    name: str | Path, device: torch.device, backend: ClapBackendName = "transformers"
) -> ClapBackend:
    """A CLAP model by name.

    Args:
        name: `ClapScorerConfig.model`.
        device: where the model and its front end run.
        backend: the library that runs it.

    Raises:
        UserError: the backend is not installed, there is no such checkpoint, it is no CLAP model of this
            backend, it lacks weights, or it is fused.
    """
    # Each library takes seconds to import, and laion-clap is an extra.
    if backend == "laion-clap":
        from rewards.clap.laion_backend import load_laion  # noqa: PLC0415

        return load_laion(str(name), device)
    from rewards.clap.transformers_backend import load_transformers  # noqa: PLC0415

    return load_transformers(str(name), device)


def filled_up(batch: Tensor, rows: int | None) -> Tensor:
    """[rows, ...]: a [B, ...] batch whose last row is repeated; the batch itself where rows is None.

    Raises:
        ValueError: the batch has more rows.
    """
    missing = 0 if rows is None else rows - len(batch)
    if not missing >= 0:
        raise ValueError(f"rows must be >= the batch, got {rows} for {len(batch)}")
    return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch


def pick_device(name: str) -> torch.device:
    """The torch device of a name; `auto` is CUDA where there is one, else the CPU.

    Raises:
        UserError: no such device, or it is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts where it was built without CUDA
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"clap.device must be auto or a torch device here, got {name!r}: {reason}") from error
    return device


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """First 8 hex digits of the SHA-256 of a state dict, names and values."""
    digest = hashlib.sha256()
    for key, tensor in sorted(weights.items()):
        digest.update(key.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]
