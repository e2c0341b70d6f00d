"""Music configs to sound: `render(configs) -> [B, 2, S]`, the same config always the same samples."""

from rewards.render.compose import compose
from rewards.render.labels import LAYERS, active_layers
from rewards.render.renderer import RENDERER_ID, render
from rewards.render.score import Chord, Hit, NoiseBand, Note, Score
from rewards.render.streaming import stream

__all__ = [
    "LAYERS",
    "RENDERER_ID",
    "Chord",
    "Hit",
    "NoiseBand",
    "Note",
    "Score",
    "active_layers",
    "compose",
    "render",
    "stream",
]
