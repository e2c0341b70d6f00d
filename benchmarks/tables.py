"""Measured tables in documents: what stands between two markers is written by a benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_between_markers(path: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- name: begin -->` and `<!-- name: end -->`.

    Raises:
        ValueError: the document does not hold both markers once, in this order.
    """
    document = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if not (document.count(begin) == 1 and document.partition(begin)[2].count(end) == 1):
        raise ValueError(f"{path} must hold {begin} and then {end} once; put them where the table belongs")
    head, _, rest = document.partition(begin)
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")
