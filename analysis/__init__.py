"""Outcomes of a sweep: pure functions of what it stored."""

from analysis.pooled import load_sweeps
from analysis.ranking import Ranking, compute_ranking
from analysis.ranking_json import ranking_json
from analysis.sweep import Sweep, load_sweep
from analysis.table import render_ranking

__all__ = [
    "Ranking",
    "Sweep",
    "compute_ranking",
    "load_sweep",
    "load_sweeps",
    "ranking_json",
    "render_ranking",
]
