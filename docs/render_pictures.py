"""Draws docs/renderer/dozen.png: a spectrogram of each config in docs/renderer/configs.jsonl.

python -m docs.render_pictures
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from common.music_schema import MusicConfig
from rewards.render import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Titled", "draw", "log_mel", "read_configs"]

FOLDER: Final = Path(__file__).parent / "renderer"
CONFIGS: Final = FOLDER / "configs.jsonl"
PICTURE: Final = FOLDER / "dozen.png"
SECONDS: Final = 10.0
RATE: Final = 48_000
MELS: Final = 96
LOWEST_HZ, HIGHEST_HZ = 30.0, 16_000.0
TICKS_HZ: Final = (50, 200, 500, 1000, 2000, 5000, 10_000)
RANGE_DB: Final = 70.0
"""Below the loudest point of all pictures this far is black: loud and soft panels stay comparable."""


class Titled(NamedTuple):
    """A config and what it is meant to sound like."""

    title: str
    music: MusicConfig


def read_configs(path: Path = CONFIGS) -> list[Titled]:
    """The configs of a JSONL file whose rows have a `title` and a `config`."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [Titled(row["title"], MusicConfig.model_validate(row["config"])) for row in rows]


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def log_mel(clip: torch.Tensor) -> torch.Tensor:
    """Decibels [MELS, F] of a clip [2, S] at `RATE`: 4,096 points, a frame each 20 ms, full scale 0 dB."""
    window = torch.hann_window(4096)
    frames = torch.stft(
        clip.mean(dim=0), n_fft=4096, hop_length=960, window=window, return_complex=True
    ).abs()
    points = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), MELS + 2)
    edges = torch.from_numpy(700 * (10 ** (points / 2595) - 1)).float()
    hertz = torch.fft.rfftfreq(4096, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    # At least the nearest bin: the lowest triangles are narrower than a bin.
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    triangles += (hertz - edges[1:-1]).abs() == (hertz - edges[1:-1]).abs().min(dim=0).values
    power = triangles.T.clamp(max=1.0) @ (frames / window.sum() * 2).square()
    return 10 * torch.log10(power + 1e-12)


def draw(configs: list[Titled], path: Path) -> None:
    """Write one PNG with a panel for each config, three in a row, all on one scale."""
    sounds = render([config.music for config in configs], seconds=SECONDS, sample_rate=RATE)
    levels = [log_mel(clip) for clip in sounds]
    top = max(float(level.max()) for level in levels)
    rows = -(-len(configs) // 3)
    with mpl.rc_context({"font.size": 7.5, "axes.titlesize": 9}):
        figure = Figure(figsize=(11, 2.3 * rows), layout="constrained")
        panels = figure.subplots(rows, 3, sharex=True, sharey=True, squeeze=False).flatten()
        for number, (panel, config, level) in enumerate(zip(panels, configs, levels, strict=False)):
            _draw_panel(panel, level, top)
            panel.set_title(f"{number + 1}. {config.title}", loc="left")
        for panel in panels[-3:]:
            panel.set_xlabel("seconds")
        for panel in panels[::3]:
            panel.set_ylabel("Hz")
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=100)
    # 128 colours of one map are as good as all and take a third of the room.
    Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def _draw_panel(panel: Axes, level: torch.Tensor, top: float) -> None:
    panel.imshow(
        level.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=top - RANGE_DB, vmax=top,
        extent=(0.0, SECONDS, _mel(LOWEST_HZ), _mel(HIGHEST_HZ)), interpolation="nearest",
    )  # fmt: skip
    panel.set_yticks([_mel(hertz) for hertz in TICKS_HZ], [f"{hertz:,}" for hertz in TICKS_HZ])


def main() -> None:
    """Draw the dozen."""
    torch.set_num_threads(1)
    draw(read_configs(), PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
