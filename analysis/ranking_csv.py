"""The ranking as CSV for spreadsheets: `vibesweep rank DIR --csv`."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from analysis.ranking_json import ranking_json

if TYPE_CHECKING:
    from analysis.ranking import Ranking

__all__ = ["ranking_csv"]


def ranking_csv(ranking: Ranking) -> str:
    """A header and a line for each row, best first; the columns are the keys of `ranking_json`'s rows.

    What is a list or an object there is JSON in its cell; what is null is empty.
    """
    rows = ranking_json(ranking)["rows"]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    key: json.dumps(value) if isinstance(value, list | dict) else value
                    for key, value in row.items()
                }
            )
    return text.getvalue()
