"""The corpus's colours: one fixed list of hex values in families, and palettes drawn from it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from common.music_schema import NUM_COLORS, NUM_PALETTES, Palette, PaletteColor

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

__all__ = ["COLORS", "FAMILIES", "sample_palettes"]

FAMILIES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "night": ("#0b1026", "#1b2450", "#3a3f7a"),
        "neon": ("#ff2bd6", "#00e5ff", "#7a1fff"),
        "ember": ("#7f1d1d", "#d9480f", "#ffb703"),
        "ocean": ("#023e8a", "#0096c7", "#90e0ef"),
        "forest": ("#1b4332", "#40916c", "#b7e4c7"),
        "earth": ("#4a3728", "#8b5e3c", "#d4a373"),
        "ice": ("#e8f4fa", "#bcd9ea", "#7fa8c9"),
        "bloom": ("#f7c6d9", "#e58fb1", "#fdf0d5"),
        "gold": ("#f4c95d", "#e09f3e", "#fff3b0"),
        "dusk": ("#5f3b76", "#b5527b", "#f2956b"),
        "ash": ("#22252a", "#5c636e", "#a9b0ba"),
    }
)
"""Three colours of each family, the leading one first."""

_NEIGHBOUR: Mapping[str, str] = MappingProxyType(
    {
        "night": "ash",
        "neon": "night",
        "ember": "earth",
        "ocean": "ice",
        "forest": "earth",
        "earth": "gold",
        "ice": "ocean",
        "bloom": "dusk",
        "gold": "ember",
        "dusk": "night",
        "ash": "night",
    }
)

COLORS: tuple[str, ...] = tuple(shade for family in FAMILIES.values() for shade in family)
"""All 33 colours."""

_WEIGHTS = ("xxl", "xl", "lg", "md", "sm")


def _palette(shades: Sequence[str]) -> Palette:
    rows = [{"hex": shade, "weight": weight} for shade, weight in zip(shades, _WEIGHTS, strict=True)]
    return Palette(colors=tuple(PaletteColor.model_validate(row) for row in rows))


def sample_palettes(families: Sequence[str], rng: random.Random) -> tuple[Palette, ...]:
    """Draw the three palettes of one payload.

    Each palette leads with the three colours of one of the families, which take turns, and ends with two of
    the next one (the neighbour's, where the vibe names only one family). The leading colours are turned by
    one from palette to palette, so that no two are alike.

    Args:
        families: colour families of the vibe's words, in the vibe's order, repeats allowed; where empty,
            one family is drawn.
        rng: the only source of chance.

    Returns:
        NUM_PALETTES palettes of NUM_COLORS distinct colours, weights xxl, xl, lg, md, sm.
    """
    distinct = list(dict.fromkeys(families)) or [rng.choice(list(FAMILIES))]
    if len(distinct) == 1:
        distinct.append(_NEIGHBOUR[distinct[0]])
    turn = rng.randrange(3)
    palettes = []
    for index in range(NUM_PALETTES):
        lead = FAMILIES[distinct[index % len(distinct)]]
        rest = FAMILIES[distinct[(index + 1) % len(distinct)]]
        start = (turn + index) % 3
        shades = [*lead[start:], *lead[:start], *rest[: NUM_COLORS - len(lead)]]
        palettes.append(_palette(shades))
    return tuple(palettes)
