"""`vibesweep render`: one config to a file, many to a folder, long clips by blocks, bad input in lines."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

import rewards.render
from common.music_schema import config_hash
from common.random_configs import random_config
from common.training_config import PROJECT_ROOT
from tests.vibesweep.refusals import refused
from vibesweep.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIGS = [random_config(random.Random(seed)) for seed in range(4)]
PAYLOAD: dict[str, Any] = {"title": "four", "config": CONFIGS[3].model_dump()}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(CONFIGS[0].model_dump_json())
    return path


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """A config, a blank line, a payload, and rows with a payload as text and as an object."""
    lines = [
        CONFIGS[0].model_dump_json(),
        "",
        json.dumps(PAYLOAD),
        json.dumps({"vibe_noisy": "rain", "config_payload": json.dumps({"config": CONFIGS[1].model_dump()})}),
        json.dumps({"config_payload": CONFIGS[2].model_dump()}),
    ]
    path = tmp_path / "configs.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def samples(path: Path) -> Any:
    return soundfile.read(path, dtype="int16")[0]


def assert_written(path: Path, clip: torch.Tensor) -> None:
    """libsndfile rounds down to 16 bits, and 1.0 to the highest of them: off by one step at most."""
    assert np.abs(samples(path) / 32_768 - clip.T.numpy()).max() <= 1 / 32_768


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_config_is_rendered_to_the_sound_file_that_was_named(
    config: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = config.with_name(f"out{suffix}")
    words = ["--seconds", "0.5", "--seed", "3", "--sample-rate", "16000", "--layers", "bass, pad"]
    assert run(["render", str(config), str(sound), *words]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{sound}: 0.5 s, stereo, 16000 Hz, only bass, pad\n"
    assert captured.err == ""  # no bar where stderr is no terminal
    [clip] = rewards.render.render(
        [CONFIGS[0]], seconds=0.5, sample_rate=16_000, seed=3, layers=("bass", "pad")
    )
    info = soundfile.info(sound)
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 2, "PCM_16")
    assert_written(sound, clip)
    assert files(config.parent) == ["config.json", sound.name]


def test_a_jsonl_becomes_a_folder_of_clips_named_by_line_and_config(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = configs.with_name("clips")
    words = ["render", str(configs), str(folder), "--format", "flac", "--seconds", "0.5"]
    assert run(words) == 0
    assert capsys.readouterr().out == f"{folder}: 4 flac clips rendered; 0.5 s, stereo, 48000 Hz\n"
    lines = {1: CONFIGS[0], 3: CONFIGS[3], 4: CONFIGS[1], 5: CONFIGS[2]}
    names = [f"{line:06d}-{config_hash(music)[:12]}.flac" for line, music in lines.items()]
    assert files(folder) == [*names, "render.json"]
    # The same sound as each has by itself.
    for name, music in zip(names, lines.values(), strict=True):
        alone = configs.with_name("alone.flac")
        configs.with_name("alone.json").write_text(music.model_dump_json())
        assert run(["render", str(configs.with_name("alone.json")), str(alone), "--seconds", "0.5"]) == 0
        assert (samples(folder / name) == samples(alone)).all()
    assert len({(folder / name).read_bytes() for name in names}) == 4


def test_an_interrupted_run_goes_on_where_it_stopped(
    configs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = configs.with_name("clips")
    words = ["render", str(configs), str(folder), "--seconds", "0.5"]
    original = soundfile.SoundFile.write
    written: list[Any] = []

    def interrupted(file: soundfile.SoundFile, block: Any) -> None:
        if len(written) == 2:
            original(file, block[:100])
            raise KeyboardInterrupt
        written.append(block)
        original(file, block)

    with monkeypatch.context() as patch:
        patch.setattr(soundfile.SoundFile, "write", interrupted)
        assert run(words) == 130
    assert len(files(folder)) == 3  # two clips and the settings, nothing half
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.wav")}
    capsys.readouterr()
    assert run(words) == 0
    assert "2 wav clips rendered, 2 already there" in capsys.readouterr().out
    assert len(files(folder)) == 5
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


def test_clips_of_other_settings_are_not_taken_for_these(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = configs.with_name("clips")
    assert run(["render", str(configs), str(folder), "--seconds", "0.5"]) == 0
    [line] = refused(["render", configs, folder, "--seconds", "0.25", "--seed", "1"], capsys)
    assert "(seconds 0.5, not 0.25, seed 0, not 1); name another folder" in line
    (folder / "render.json").unlink()
    [line] = refused(["render", configs, folder, "--seconds", "0.5"], capsys)
    assert "has clips but no render.json" in line


def test_broken_lines_are_told_together_before_anything_is_rendered(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [
        '{"tempo": ',
        json.dumps(CONFIGS[0].model_dump() | {"tempo": "allegro"}),
        json.dumps(CONFIGS[0].model_dump() | {"tempos": "slow"}),
        json.dumps({"config": {}}),
        "[1]",
        json.dumps({"config_payload": "no music"}),
    ]
    configs.write_text(configs.read_text() + "\n".join(broken))
    lines = refused(["render", configs, configs.with_name("clips")], capsys)
    assert len(lines) == 6
    for number, (line, said) in enumerate(
        zip(
            lines,
            [
                "must be one JSON object",
                "tempo: Input should be 'very_slow'",
                "tempos: unknown key",
                "tempo: missing",
                "an object with named fields",
                "must be one JSON object",
            ],
            strict=True,
        ),
        start=6,
    ):
        assert line.startswith(f"{configs} line {number}")
        assert said in line
    assert files(configs.parent) == ["configs.jsonl"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["CONFIG", "out.mp3"], "OUTPUT must end in .wav or .flac, got 'out.mp3'"),
        (["CONFIG", "no/folder/out.wav"], "OUTPUT must lie in an existing folder"),
        (["CONFIG", "out.wav", "--format", "wav"], "--format must be left out for one config"),
        (["CONFIG", "out.wav", "--layers", "bass,drums"], "--layers must name some of bass, .*, got 'drums'"),
        (["CONFIG", "out.wav", "--seconds", "0.2"], "0.25"),
        (["CONFIG", "out.wav", "--seconds", "601"], "600"),
        (["CONFIG", "out.wav", "--seconds", "nan"], "600"),
        (["CONFIG", "out.wav", "--sample-rate", "7999"], "8000"),
        (["nowhere.json", "out.wav"], "CONFIG must be an existing file"),
        (["nowhere.jsonl", "out"], "CONFIG must be an existing file"),
        (["CONFIGS", "out.wav"], "OUTPUT must be a folder for a JSONL file"),
        (["CONFIGS", "CONFIG"], "OUTPUT must be a folder for a JSONL file"),
        (["CONFIGS", "CONFIG/clips"], "OUTPUT must be writable"),
        (["CONFIGS", "out", "--format", "mp3"], "mp3"),
        (["EMPTY", "out"], "must have at least one config"),
        (["BROKEN", "out.wav"], "tempo: Input should be"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: list[str], message: str, config: Path, configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = config.parent
    (folder / "empty.jsonl").write_text("\n")
    (folder / "broken.json").write_text(json.dumps(CONFIGS[0].model_dump() | {"tempo": "allegro"}))
    names = {"CONFIG": str(config), "CONFIGS": str(configs), "EMPTY": f"{folder}/empty.jsonl"}
    names["BROKEN"] = f"{folder}/broken.json"
    names["CONFIG/clips"] = f"{config}/clips"
    before = files(folder)
    [line] = refused(["render", *(names.get(word, word) for word in words)], capsys)
    assert re.search(message, line), line
    assert files(folder) == before


def test_a_long_clip_is_written_as_its_blocks_come(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ramp = torch.linspace(-1, 1, 17)
    blocks = torch.split(torch.stack((ramp, ramp / 2)), [7, 1, 9], dim=1)
    positions: list[int] = []
    original = soundfile.SoundFile.write

    def watched(file: soundfile.SoundFile, block: Any) -> None:
        original(file, block)
        positions.append(file.frames)

    def given(music: object, **arguments: Any) -> Iterator[torch.Tensor]:
        assert music == CONFIGS[0]
        assert arguments == {"seconds": 600.0, "sample_rate": 8_000, "seed": 2, "layers": None}
        for number, block in enumerate(blocks):
            assert len(positions) == number  # the block before is written: no two are held
            yield block

    monkeypatch.setattr(soundfile.SoundFile, "write", watched)
    monkeypatch.setattr(rewards.render, "stream", given)
    sound = config.with_name("long.wav")
    words = ["--seconds", "600", "--sample-rate", "8000", "--seed", "2"]
    assert run(["render", str(config), str(sound), *words]) == 0
    assert positions == [7, 8, 17]
    assert_written(sound, torch.cat(blocks, dim=1))


def test_a_terminal_sees_a_bar(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal then
    assert run(["render", str(config), str(config.with_name("out.wav")), "--seconds", "2"]) == 0
    captured = capsys.readouterr()
    assert "2 of 2 s of sound" in captured.err
    assert captured.out.count("\n") == 1


FULL = """
import resource, signal, sys, torch
from vibesweep.cli import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_clip_that_finds_no_room_is_told_and_leaves_nothing(config: Path, suffix: str) -> None:
    sound = config.with_name(f"out{suffix}")
    done = subprocess.run(
        [sys.executable, "-c", FULL, "render", str(config), str(sound), "--seconds", "5"],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"vibesweep: OUTPUT must be writable, got '{sound}'")
    assert files(config.parent) == ["config.json"]


MEASURED = """
import resource, sys
from vibesweep.cli import run
assert run(sys.argv[1:]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mb(config: Path, seconds: int) -> float:
    sound = config.with_name(f"{seconds}.wav")
    words = ["render", str(config), str(sound), "--seconds", str(seconds)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    info = soundfile.info(sound)
    assert (info.frames, info.samplerate) == (seconds * 48_000, 48_000)
    return float(done.stdout.split()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_minutes_need_no_more_memory_than_one(config: Path) -> None:
    # Ten minutes of float32 stereo are 230 MB; held whole, nine minutes would be 207 MB more.
    assert peak_mb(config, 600) - peak_mb(config, 60) < 150
