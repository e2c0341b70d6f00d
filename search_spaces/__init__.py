"""Search spaces and sweep files: which training settings are searched, as data, before anything runs."""

from search_spaces.axes import Axis, GridAxis, RangeAxis
from search_spaces.designs import (
    PointSet,
    enumerate_points,
    factorial,
    grid_cells,
    one_at_a_time,
    random_points,
)
from search_spaces.expressions import Expression, parse_expression
from search_spaces.mixture import MixtureAxis
from search_spaces.points import ConstraintError, Point, config_hash, params_of, point
from search_spaces.prompt_files import register_prompts_file
from search_spaces.search_config import BudgetConfig, SchedulerConfig, SearchConfig
from search_spaces.settings import LEAF_DEFAULTS, MIXTURE_PATH, WEIGHT_PATHS
from search_spaces.smoke import smoke_sweep
from search_spaces.sweep_file import SweepFile, load_sweep_file
from search_spaces.sweep_record import SweepRecord
from search_spaces.tables import TABLE, SpaceRow, row

__all__ = [
    "LEAF_DEFAULTS",
    "MIXTURE_PATH",
    "TABLE",
    "WEIGHT_PATHS",
    "Axis",
    "BudgetConfig",
    "ConstraintError",
    "Expression",
    "GridAxis",
    "MixtureAxis",
    "Point",
    "PointSet",
    "RangeAxis",
    "SchedulerConfig",
    "SearchConfig",
    "SpaceRow",
    "SweepFile",
    "SweepRecord",
    "config_hash",
    "enumerate_points",
    "factorial",
    "grid_cells",
    "load_sweep_file",
    "one_at_a_time",
    "params_of",
    "parse_expression",
    "point",
    "random_points",
    "register_prompts_file",
    "row",
    "smoke_sweep",
]
