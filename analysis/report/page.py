"""Render the report's page: one HTML file that asks for nothing beyond itself."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.ranking import DECIMALS
from common.clips import CLIP_TYPE
from common.reward_config import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.report.data import ReportData

__all__ = ["render_page"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SCRIPTS: Final = ("theme.js", "ranking.js", "charts.js", "copy.js", "listen.js", "blind.js")
"""One after the other they are the page's script; each is a function that the template starts."""


def render_page(data: ReportData, clips: Mapping[str, str]) -> str:
    """The page as HTML.

    Args:
        data: what it shows.
        clips: key to a sound file in base64, of the type that `common.clips` names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(score=_score, signed=_signed, code=_code)
    return environment.get_template("page.html").render(
        data=data,
        components=COMPONENTS,
        version=version("vibesweep"),
        style=Markup((_TEMPLATES / "style.css").read_text()),
        script=Markup("\n".join((_TEMPLATES / name).read_text() for name in _SCRIPTS)),
        plotly=Markup(get_plotlyjs().replace("</script", r"<\/script")) if data.charts else "",
        page_json=_embedded(
            {
                "decimals": DECIMALS,
                "weights": data.weights,
                "command": data.command,
                "rows": [
                    {
                        "id": row.id,
                        "name": row.name,
                        "isTrial": row.is_trial,
                        "infeasible": bool(row.infeasible),
                        "tieOrder": row.tie_order,
                        "objective": row.objective_moments.model_dump(),
                        "difference": row.difference_moments and row.difference_moments.model_dump(),
                    }
                    for row in data.rows
                ],
                "charts": {chart.name: chart.figure for chart in data.charts if chart.figure},
            }
        ),
        clips_json=_embedded({"type": CLIP_TYPE, "files": dict(clips)}),
    )


def _score(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _code(sentence: str) -> Markup:
    """A sentence with what stands between backquotes as code."""
    parts = [Markup.escape(part) for part in sentence.split("`")]
    if len(parts) % 2 == 0:
        return Markup.escape(sentence)
    marked = (Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts))
    return Markup("").join(marked)


def _embedded(value: dict[str, Any]) -> Markup:
    """JSON that may stand in a script element, whatever texts are in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", r"\u003c"))
