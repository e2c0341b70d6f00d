"""The dozen pictured configs are valid and different, the picture is small, and its numbers are right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from common.music_schema import config_hash
from common.training_config import PROJECT_ROOT
from docs.render_pictures import CONFIGS, HIGHEST_HZ, LOWEST_HZ, MELS, PICTURE, draw, log_mel, read_configs
from vibesweep.music_configs import read_music_configs

if TYPE_CHECKING:
    from pathlib import Path


def test_there_are_a_dozen_different_configs_that_the_command_line_takes() -> None:
    configs = read_configs()
    assert len(configs) == 12
    assert len({config.title for config in configs}) == 12
    assert len({config_hash(config.music) for config in configs}) == 12
    assert [numbered.music for numbered in read_music_configs(CONFIGS)] == [
        config.music for config in configs
    ]


def test_the_text_beside_the_picture_has_every_title_in_order() -> None:
    pages = [path.read_text() for path in sorted((PROJECT_ROOT / "docs").glob("renderer*.md"))]
    [page] = [page for page in pages if "renderer/dozen.png" in page]
    assert re.findall(r"^\| \d+ \| (.*?) \|", page, re.MULTILINE) == [
        config.title for config in read_configs()
    ]


def test_the_picture_is_small() -> None:
    assert PICTURE.stat().st_size < 600_000
    with Image.open(PICTURE) as picture:
        assert picture.size == (1100, 920)


@pytest.mark.parametrize(("hertz", "amplitude"), [(100.0, 0.5), (1000.0, 0.5), (8000.0, 0.05)])
def test_a_sine_is_at_its_frequency_and_level(hertz: float, amplitude: float) -> None:
    sine = amplitude * torch.sin(2 * torch.pi * hertz * torch.arange(48_000, dtype=torch.float64) / 48_000)
    levels = log_mel(torch.stack([sine, sine]).float())[:, 10:-10]
    # Band b's centre is the (b + 1)th of MELS + 1 equal mel steps.
    mel = torch.tensor([LOWEST_HZ, HIGHEST_HZ, hertz]).div(700).log1p()
    band = float((mel[2] - mel[0]) / (mel[1] - mel[0])) * (MELS + 1) - 1
    assert (levels.argmax(dim=0) - band).abs().max() <= 1
    # Triangles add the window's side bins and lose a share between two centres: within 3 dB of its amplitude.
    assert levels.max() == pytest.approx(20 * torch.tensor(amplitude).log10(), abs=3.0)


def test_any_number_of_configs_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "four.png"
    draw(read_configs()[:4], path)
    with Image.open(path) as picture:
        assert picture.size == (1100, 460)
        # The panels of the drone and of the chiptune are told apart by their brightness.
        gray = torch.tensor(list(picture.convert("L").tobytes())).reshape(460, 1100).float()
    drone, chiptune = gray[40:150, 80:380].mean(), gray[40:150, 430:730].mean()
    assert chiptune > drone + 50
