"""The pool's report on Ray's metrics endpoint, one gauge for each of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ray.util.metrics import Gauge

from cluster.scoring.report import PoolReport

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RayMetrics"]

_PREFIX: Final = "vibesweep_scoring_"


class RayMetrics:
    """Gauges named `vibesweep_scoring_` and the report's field, with the sweep's name as their tag."""

    def __init__(self, sweep: str) -> None:
        self._tags: Mapping[str, str] = {"sweep": sweep}
        self._gauges = {
            name: Gauge(_PREFIX + name, description=field.description or name, tag_keys=("sweep",))
            for name, field in PoolReport.model_fields.items()
            if name != "at"
        }

    def show(self, report: PoolReport) -> None:
        """Set the gauges; what is None stays as it was."""
        for name, value in report.numbers().items():
            self._gauges[name].set(value, tags=dict(self._tags))
