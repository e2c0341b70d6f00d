"""Addition of many short pieces of sound to a few long tracks, as one product with a sparse matrix.

A track is cut into rows of equal length, and so is what is played. Row r of the tracks then is the sum of
gain * piece over the pieces placed at r: a matrix of gains, one non-zero for each placing, times the pieces.
No loop over notes, pieces in any number, and a sum whose order does not depend on who else is in the batch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]


def place(
    pieces: torch.Tensor,
    num_rows: int,
    *,
    rows: Ints,
    columns: Ints,
    gains: npt.NDArray[np.float32],
    onto: torch.Tensor | None = None,
) -> torch.Tensor:
    """Adds pieces to tracks.

    Args:
        pieces: [K, N] what is played.
        num_rows: rows of the tracks.
        rows: [P] where each placing goes, 0 to num_rows - 1.
        columns: [P] which piece it places, 0 to K - 1.
        gains: [P] how loud.
        onto: [num_rows, N] sound so far, changed in place; silence if left out.

    Returns:
        [num_rows, N]; pieces that meet in a row are added in the order of the placings.
    """
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=num_rows))
    # 32 bits are what the CPU's library takes; others it would convert, at a cost beyond the product's.
    starts = np.concatenate([[0], ends]).astype(np.int32)
    columns = columns[order].astype(np.int32)
    device = pieces.device
    with warnings.catch_warnings():
        # torch says once that its CSR tensors are a beta feature; the product is all we use of them.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        matrix = torch.sparse_csr_tensor(
            torch.from_numpy(starts).to(device),
            torch.from_numpy(columns).to(device),
            torch.from_numpy(gains[order]).to(device),
            (num_rows, len(pieces)),
            check_invariants=False,
        )
    # In place even onto silence: the product alone would fill its result with zeros first, and copy it last.
    tracks = torch.empty(num_rows, pieces.shape[1], device=device) if onto is None else onto
    return torch.addmm(tracks, matrix, pieces, beta=0.0 if onto is None else 1.0, out=tracks)
