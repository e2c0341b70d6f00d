"""The audio component through `transformers.ClapModel`: front end, checkpoint, scorer."""

from rewards.clap.frontend import LogMel
from rewards.clap.model import ClapCheckpoint, load_clap, pick_device
from rewards.clap.scoring import ClapScorer

__all__ = ["ClapCheckpoint", "ClapScorer", "LogMel", "load_clap", "pick_device"]
