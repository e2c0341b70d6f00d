"""The page as HTML: whole, escaped, by itself, and made for every reader."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from analysis import compute_ranking, load_sweep
from analysis.figures import FIGURES
from analysis.report import render_page, report_data
from tests.analysis.report.conftest import HOSTILE, ODD_NAME

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep, SweepWriter

Attributes = dict[str, str | None]


class Page(HTMLParser):
    """Elements of a page with their attributes, and the texts of its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, Attributes]] = []
        self.scripts: dict[str | None, str] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes: Attributes = dict(attrs)
        attributes["in-label"] = "yes" if "label" in self._open else None
        self.elements.append((tag, attributes))
        if tag not in ("meta", "input", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[self.elements[-1][1].get("id")] = data

    def all(self, *tags: str) -> list[Attributes]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def page_of(sweep: SweepWriter, *, audio: bool = True) -> Page:
    stored = load_sweep(sweep.directory)
    return Page(render_page(*report_data(stored, compute_ranking(stored), "runs/small", audio=audio)))


@pytest.fixture
def page(heard_sweep: SweepWriter) -> Page:
    return page_of(heard_sweep)


def test_the_page_names_nothing_outside_itself(page: Page) -> None:
    assert not page.all("link", "iframe", "img", "object", "embed", "base")
    for tag, attributes in page.elements:
        assert not attributes.get("src"), (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#")
    [policy] = [meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in (policy["content"] or "")


def test_what_a_policy_or_a_user_wrote_stays_text(page: Page) -> None:
    assert HOSTILE not in page.html
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.html
    rows = json.loads(page.scripts["page-data"])["rows"]
    assert f"system_prompt={ODD_NAME}" in [row["name"] for row in rows]
    assert "example.org" not in " ".join(str(i.get("style")) for i in page.all("i"))


def test_it_has_landmarks_headings_in_order_and_a_name_for_every_control(page: Page) -> None:
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    labelled = {label.get("for") for label in page.all("label")}
    for control in page.all("input", "select", "audio"):
        named = control.get("aria-label") or control.get("aria-labelledby") or control["in-label"]
        assert named or control.get("id") in labelled, control
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for attributes in (attributes for _, attributes in page.elements):
        assert (attributes.get("aria-labelledby") or ids[0]) in ids
    assert [html.get("lang") for html in page.all("html")] == ["en"]
    assert len(page.all("table")) == len(page.all("caption")) == 1


def test_every_figure_is_there_in_the_pages_own_look(page: Page) -> None:
    charts = json.loads(page.scripts["page-data"])["charts"]
    # Seven rows are too few for importance: its place has the reason and no plot.
    assert "This cannot be told: importance takes at least 8 configurations, got 4;" in page.html
    assert "importance" not in charts
    # Those that have something to show, in the order of the list.
    assert list(charts) == [figure.name for figure in FIGURES if figure.name in charts]
    assert {"ranking", "differences", "weight-map"} < set(charts)
    assert len(page.all("figcaption")) == len(charts) + 1
    for figure in charts.values():
        assert figure["data"]
        assert not {"template", "title"} & set(figure["layout"])


def test_without_its_sounds_it_stays_below_ten_megabytes(heard_sweep: SweepWriter) -> None:
    silent = page_of(heard_sweep, audio=False)
    assert len(silent.html.encode()) < 10e6
    assert json.loads(silent.scripts["clips"])["files"] == {}
    assert not silent.all("audio")


def test_a_sweep_that_has_just_begun_has_a_page(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.1, 0.2]}, status=None)
    assert "Nothing is ranked yet." in page_of(sweep).html
