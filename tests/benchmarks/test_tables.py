"""A benchmark writes its table between two markers and leaves the rest of the document alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.tables import write_between_markers

if TYPE_CHECKING:
    from pathlib import Path


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# Head\n<!-- a: begin -->\nold\n<!-- a: end -->\ntail <!-- b: begin -->\n")
    write_between_markers(document, "a", "| new |")
    write_between_markers(document, "a", "| new |")
    assert document.read_text() == (
        "# Head\n<!-- a: begin -->\n\n| new |\n\n<!-- a: end -->\ntail <!-- b: begin -->\n"
    )


@pytest.mark.parametrize("text", ["nothing", "<!-- a: end --> <!-- a: begin -->", "<!-- a: begin -->"])
def test_a_document_without_its_markers_is_refused(tmp_path: Path, text: str) -> None:
    document = tmp_path / "page.md"
    document.write_text(text)
    with pytest.raises(ValueError, match="must hold <!-- a: begin --> and then <!-- a: end --> once"):
        write_between_markers(document, "a", "x")
    assert document.read_text() == text
