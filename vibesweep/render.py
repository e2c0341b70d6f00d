"""`vibesweep render`: one config to a sound file, or a JSONL of them to a folder of sound files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from pydantic import ValidationError

from common.errors import UserError
from common.model import FrozenModel
from common.music_schema import MusicConfig, config_hash
from common.records import write_text_atomically
from vibesweep.music_configs import NumberedConfig, read_music_config, read_music_configs
from vibesweep.progress import progress
from vibesweep.sound_files import write_sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch

__all__ = ["render"]

AudioFormat = Literal["wav", "flac"]
AUDIO_SUFFIXES: Final = (".wav", ".flac")
SETTINGS_FILE: Final = "render.json"
WHOLE_S: Final = 30.0
"""Clips up to here are rendered whole, longer ones streamed. The length alone decides, so that a config makes
the same file by itself and among others."""
BATCH_S: Final = 120.0
"""Seconds of sound that are rendered and held at once: 46 MB at 48 kHz."""


class RenderSettings(FrozenModel):
    """What decides a clip's samples beside its config; a folder of clips keeps it as `render.json`."""

    renderer: str
    seconds: float
    sample_rate: int
    seed: int
    layers: tuple[str, ...] | None

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `rewards.render.render` and `stream`."""
        return self.model_dump(exclude={"renderer"})


def render(
    config: Annotated[
        Path,
        typer.Argument(
            help="JSON file: a payload, or its config part alone. JSONL file: on each line one of them, or a "
            "row with config_payload."
        ),
    ],
    output: Annotated[Path, typer.Argument(help="Sound file, .wav or .flac; a folder for a JSONL file.")],
    seconds: Annotated[float, typer.Option(help="Length in seconds.", min=0.25, max=600.0)] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of composition and noise.", min=0)] = 0,
    sample_rate: Annotated[int, typer.Option(help="Sample rate in Hz.", min=8_000, max=96_000)] = 48_000,
    layers: Annotated[str | None, typer.Option(help="Layers to hear alone, such as bass,pad.")] = None,
    audio_format: Annotated[
        AudioFormat | None, typer.Option("--format", help="Format of a JSONL file's clips; wav by default.")
    ] = None,
) -> None:
    """Render music configs to stereo sound files.

    A JSONL file's clips are named by line and config. Those that are there are kept, so the same command goes
    on after an interruption.
    """
    many = config.suffix.lower() == ".jsonl"
    # All that can be wrong is said before torch is imported, which takes seconds.
    if many:
        if output.suffix.lower() in AUDIO_SUFFIXES or output.is_file():
            raise UserError(
                f"OUTPUT must be a folder for a JSONL file, got {str(output)!r}; name one and add --format"
            )
        numbered = read_music_configs(config)
        _render_folder(numbered, output, audio_format or "wav", _settings(seconds, sample_rate, seed, layers))
        return
    if audio_format is not None:
        raise UserError(
            f"--format must be left out for one config, got {audio_format!r}; OUTPUT's ending says it"
        )
    if output.suffix.lower() not in AUDIO_SUFFIXES:
        raise UserError(f"OUTPUT must end in {' or '.join(AUDIO_SUFFIXES)}, got {str(output)!r}")
    if not output.parent.is_dir():
        raise UserError(f"OUTPUT must lie in an existing folder, got {str(output)!r}; make {output.parent}")
    music = read_music_config(config)
    settings = _settings(seconds, sample_rate, seed, layers)
    _write({output: music}, settings)
    print(f"{output}: {_described(settings)}")


def _settings(seconds: float, sample_rate: int, seed: int, layers: str | None) -> RenderSettings:
    from rewards.render import LAYERS, RENDERER_ID  # noqa: PLC0415 - imports torch

    wanted = None if layers is None else tuple(name.strip() for name in layers.split(","))
    unknown = [name for name in wanted or () if name not in LAYERS]
    if unknown:
        raise UserError(
            f"--layers must name some of {', '.join(LAYERS)}, got {', '.join(map(repr, unknown))}"
        )
    return RenderSettings(
        renderer=RENDERER_ID, seconds=seconds, sample_rate=sample_rate, seed=seed, layers=wanted
    )


def _render_folder(
    numbered: Sequence[NumberedConfig], folder: Path, audio_format: AudioFormat, settings: RenderSettings
) -> None:
    """Write the clips that the folder lacks."""
    paths = {
        folder / f"{line:06d}-{config_hash(music)[:12]}.{audio_format}": music for line, music in numbered
    }
    _claim(folder, paths, settings)
    missing = {path: music for path, music in paths.items() if not path.is_file()}
    _write(missing, settings)
    there = len(paths) - len(missing)
    kept = f", {there} already there" if there else ""
    print(f"{folder}: {len(missing)} {audio_format} clips rendered{kept}; {_described(settings)}")


def _claim(folder: Path, paths: Iterable[Path], settings: RenderSettings) -> None:
    """Note the settings in the folder, so that no later run takes its clips for others.

    Raises:
        UserError: it has clips of other or unknown settings, or cannot be written.
    """
    record = folder / SETTINGS_FILE
    try:
        found = RenderSettings.model_validate_json(record.read_text()) if record.is_file() else None
    except ValidationError as error:
        raise UserError(f"{record} is not of this program; name another folder, or remove it") from error
    if found is not None and found != settings:
        was, now = found.model_dump(), settings.model_dump()
        differing = ", ".join(
            f"{name} {was[name]}, not {now[name]}" for name in was if was[name] != now[name]
        )
        raise UserError(f"OUTPUT {folder} has clips of other settings ({differing}); name another folder")
    if found is None and any(path.is_file() for path in paths):
        raise UserError(f"OUTPUT {folder} has clips but no {SETTINGS_FILE}; name another folder")
    try:
        write_text_atomically(record, settings.model_dump_json() + "\n")
    except OSError as error:
        raise UserError(f"OUTPUT must be writable, got {str(folder)!r}: {error}") from error


def _write(clips: dict[Path, MusicConfig], settings: RenderSettings) -> None:
    with progress(settings.seconds * len(clips), "s of sound") as advance:
        sounds = _sounds(list(clips.values()), settings)
        for path, blocks in zip(clips, sounds, strict=True):
            write_sound(path, blocks, settings.sample_rate, advance)


def _sounds(configs: Sequence[MusicConfig], settings: RenderSettings) -> Iterator[Iterable[torch.Tensor]]:
    """Each config's clip as its blocks [2, n], float32."""
    from rewards.render import render as render_whole  # noqa: PLC0415 - imports torch
    from rewards.render import stream  # noqa: PLC0415

    if settings.seconds > WHOLE_S:
        for config in configs:
            yield stream(config, **settings.arguments())
        return
    size = min(16, int(BATCH_S / settings.seconds))
    for first in range(0, len(configs), size):
        for clip in render_whole(configs[first : first + size], **settings.arguments()):
            yield [clip]


def _described(settings: RenderSettings) -> str:
    only = f", only {', '.join(settings.layers)}" if settings.layers else ""
    return f"{settings.seconds:g} s, stereo, {settings.sample_rate} Hz{only}"
