"""The audio component: CLAP behind one protocol, its front end, the scorer."""

from rewards.clap.frontend import LogMel
from rewards.clap.model import ClapBackend, load_clap, pick_device
from rewards.clap.scoring import ClapScorer

__all__ = ["ClapBackend", "ClapScorer", "LogMel", "load_clap", "pick_device"]
