"""The rhythm part: ten patterns of one-shots on the sixteenth grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rewards.render.score import Hit

if TYPE_CHECKING:
    from common.music_schema import MusicConfig
    from rewards.render.timing import Grid


class _Line(NamedTuple):
    sound: str
    slots: tuple[int, ...]
    level: float
    pan: float = 0.0
    accents: tuple[int, ...] = ()
    """Slots that are played at full level; the others at 60 %. Empty: all are."""


_EIGHTHS = tuple(range(0, 16, 2))
_PATTERNS: dict[str, tuple[_Line, ...]] = {
    "none": (),
    "minimal": (_Line("rim", (4, 12, 15), 1.6, 0.2), _Line("kick_soft", (0, 8), 1.2)),
    "heartbeat": (_Line("heart", (0, 3, 8, 11), 1.9, 0.0, (0, 8)),),
    "soft_four": (_Line("kick_soft", (0, 4, 8, 12), 1.0), _Line("shaker", (2, 6, 10, 14), 0.35, 0.4)),
    "hats_only": (
        _Line("hat", tuple(range(16)), 0.8, 0.3, (0, 4, 8, 12)),
        _Line("hat_open", (6, 14), 0.6, 0.3),
    ),
    "electronic": (
        _Line("kick_hard", (0, 4, 8, 12), 1.3),
        _Line("clap", (4, 12), 0.9),
        _Line("hat_open", (2, 6, 10, 14), 0.7, 0.3),
        _Line("zap", (3, 11, 15), 0.5, -0.5),
    ),
    "kit_light": (
        _Line("kick", (0, 10), 0.9),
        _Line("snare_soft", (4, 12), 0.7, -0.1),
        _Line("hat", _EIGHTHS, 0.4, 0.3, (0, 4, 8, 12)),
    ),
    "kit_medium": (
        _Line("kick", (0, 6, 8, 11), 1.2),
        _Line("snare", (4, 12, 15), 1.1, -0.1, (4, 12)),
        _Line("hat", _EIGHTHS, 0.5, 0.3),
        _Line("hat_open", (14,), 0.6, 0.3),
        _Line("tom", (13,), 0.8, -0.5),
    ),
    "military": (
        _Line("march", (0, 2, 3, 4, 6, 8, 9, 10, 11, 12, 14, 15), 1.0, 0.1, (0, 4, 8, 12)),
        _Line("tom", (0, 8), 0.9, -0.2),
    ),
    "tabla_essence": (
        _Line("tabla_ge", (0, 6, 10), 1.2, -0.3),
        _Line("tabla_na", (2, 4, 8, 12, 14), 0.9, 0.3),
        _Line("tabla_tin", (3, 7, 11, 13), 0.6, 0.4),
    ),
    "brush": (_Line("sweep", (0, 8), 0.9, -0.2), _Line("brush_tap", (4, 6, 12, 14, 15), 0.7, 0.2, (4, 12))),
}


def compose_rhythm(config: MusicConfig, grid: Grid) -> list[Hit]:
    """The drum hits of a clip, line by line."""
    hits: list[Hit] = []
    for line in _PATTERNS[config.rhythm]:
        for bar in range(grid.num_bars):
            for slot in line.slots:
                onset_s = grid.slot_s(bar, slot)
                if onset_s < grid.seconds - 0.01:
                    loud = not line.accents or slot in line.accents
                    level = line.level * (1.0 if loud else 0.6)
                    hits.append(Hit("rhythm", onset_s, line.sound, level, line.pan))
    return hits
