"""Sweep files: which training settings are searched, as data, before anything runs."""

from search_spaces.axes import Axis, GridAxis, RangeAxis
from search_spaces.points import Point, config_hash, grid_points
from search_spaces.sweep_file import SweepFile, load_sweep_file
from search_spaces.sweep_record import SweepRecord

__all__ = [
    "Axis",
    "GridAxis",
    "Point",
    "RangeAxis",
    "SweepFile",
    "SweepRecord",
    "config_hash",
    "grid_points",
    "load_sweep_file",
]
