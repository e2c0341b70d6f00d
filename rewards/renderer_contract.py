"""The contract of a renderer, as checks that any `module:callable` can be run against.

With pytest, by subclassing:

    class TestMyRenderer(RendererContract):
        renderer = "my_module:render"

From the command line: `vibesweep check-renderer my_module:render`. docs/renderer-plugins.md has the rules.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch

from common.music_schema import CONFIG_LABELS, MusicConfig, config_hash
from common.random_configs import random_config
from rewards.plugins import load_callable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["CheckResult", "RendererContract", "check_renderer"]

SAMPLE_RATE = 48_000
MAX_DC = 1e-3
"""Largest mean of a channel, full scale 1: -60 dBFS."""
MIN_RMS = 1e-3
"""Below this a clip is silent: -60 dBFS."""
MIN_DIFFERENCE = 1e-3
"""Different configs differ by more than this in some sample."""
MAX_ROUNDING = 1e-4
"""What another size of batch may change in a sample: the order of sums, nothing that is heard."""

Bands = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_IN_ANOTHER_PROCESS = """
import sys, torch
from rewards.renderer_contract import RendererContract
torch.set_num_threads(int(sys.argv[2]))
class Again(RendererContract):
    renderer, seconds, device = sys.argv[1], float(sys.argv[3]), sys.argv[4]
print(Again().digest())
"""


class CheckResult(NamedTuple):
    """One rule, and how it was broken; None where it holds."""

    rule: str
    problem: str | None


def _configs() -> tuple[MusicConfig, ...]:
    """Four random configs, and all labels at either end."""
    ends = [{name: choices[end] for name, choices in CONFIG_LABELS.items()} for end in (0, -1)]
    return (
        *(random_config(random.Random(seed)) for seed in range(4)),
        *(MusicConfig.model_validate(labels) for labels in ends),
    )


def _require(holds: bool, message: str) -> None:
    """An assert that `python -O` keeps."""
    if not holds:
        raise AssertionError(message)


def _random_states() -> dict[str, object]:
    numpy_state = str(np.random.get_state())
    return {"torch": torch.get_rng_state().tolist(), "random": random.getstate(), "numpy.random": numpy_state}


@contextmanager
def _other_random_states() -> Iterator[None]:
    """The global generators seeded as no renderer would seed them; put back at the end."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    torch.manual_seed(918_273)
    random.seed(918_273)
    np.random.seed(918_273)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])


class RendererContract:
    """One test for each rule. Subclass it, name the renderer, and pytest collects the rules as tests.

    A check raises AssertionError with what was expected and got.
    """

    renderer: ClassVar[str]
    """`module:callable` to be checked."""
    seconds: ClassVar[float] = 1.0
    """Length of the clips: more takes longer and finds what shows up late only."""
    device: ClassVar[str] = "cpu"
    configs: ClassVar[tuple[MusicConfig, ...]] = _configs()

    @cached_property
    def _callable(self) -> Callable[..., torch.Tensor]:
        return load_callable(self.renderer)

    def render(
        self,
        configs: Sequence[MusicConfig] | None = None,
        *,
        seconds: float | None = None,
        sample_rate: int = SAMPLE_RATE,
        seed: int = 0,
    ) -> torch.Tensor:
        """The renderer's answer, called as the CLAP scorer calls it."""
        with torch.inference_mode():
            return self._callable(
                list(self.configs if configs is None else configs),
                seconds=self.seconds if seconds is None else seconds,
                sample_rate=sample_rate,
                device=torch.device(self.device),
                seed=seed,
            )

    def digest(self) -> str:
        """SHA-256 of all samples."""
        return hashlib.sha256(self.render().cpu().contiguous().numpy().tobytes()).hexdigest()

    def test_it_returns_float32_clips_of_two_channels_on_the_device(self) -> None:
        sound = self.render()
        _require(isinstance(sound, torch.Tensor), f"must return a torch.Tensor, got {type(sound).__name__}")
        shape = (len(self.configs), 2, round(self.seconds * SAMPLE_RATE))
        _require(tuple(sound.shape) == shape, f"must have shape {shape}, got {tuple(sound.shape)}")
        _require(sound.dtype == torch.float32, f"must be torch.float32, got {sound.dtype}")
        where = torch.device(self.device).type
        _require(sound.device.type == where, f"must lie on device {where!r}, got {sound.device.type!r}")

    def test_every_sample_is_finite_and_within_1(self) -> None:
        sound = self.render()
        broken = int((~sound.isfinite()).sum())
        _require(broken == 0, f"must be finite, got {broken} samples that are not")
        peak = float(sound.abs().max())
        _require(peak <= 1.0, f"must lie within -1 to 1, got {peak:g}; scale or limit the sound")

    def test_no_channel_has_dc(self) -> None:
        dc = float(self.render().mean(dim=-1).abs().max())
        _require(dc <= MAX_DC, f"a channel's mean must be within ±{MAX_DC:g}, got {dc:g}; subtract the mean")

    def test_no_config_is_silent(self) -> None:
        for index, level in enumerate(self.render().square().mean(dim=(1, 2)).sqrt().tolist()):
            _require(level >= MIN_RMS, f"RMS must be >= {MIN_RMS:g}, got {level:g} for {self._name(index)}")

    def test_different_configs_sound_different(self) -> None:
        sound = self.render()
        for later in range(len(self.configs)):
            for earlier in range(later):
                gap = float((sound[earlier] - sound[later]).abs().max())
                _require(
                    gap > MIN_DIFFERENCE,
                    f"two configs must differ by > {MIN_DIFFERENCE:g}, got {gap:g} between "
                    f"{self._name(earlier)} and {self._name(later)}",
                )

    def test_it_gives_the_same_samples_whatever_the_global_random_state(self) -> None:
        first = self.render().clone()
        with _other_random_states():
            again = self.render()
        self._require_equal(again, first, "a second call", "seed every draw from config_hash and seed")

    def test_it_leaves_the_global_random_state_alone(self) -> None:
        with _other_random_states():
            before = _random_states()
            self.render()
            after = _random_states()
        moved = [name for name, state in before.items() if state != after[name]]
        _require(not moved, f"must not move the state of {', '.join(moved)}; use a generator of its own")

    def test_another_process_gives_the_same_samples(self) -> None:
        words = (self.renderer, str(torch.get_num_threads()), str(self.seconds), self.device)
        # hash() of a text differs between processes: the usual way to break this.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "4321"}
        done = subprocess.run(
            [sys.executable, "-c", _IN_ANOTHER_PROCESS, *words],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stderr.strip().splitlines()
        _require(
            done.returncode == 0, f"must run in another process, got {said[-1] if said else 'no output'}"
        )
        _require(
            done.stdout.split()[-1] == self.digest(),
            "must give the same samples in another process, got others; seed from config_hash, not hash()",
        )

    def test_neighbours_and_places_in_a_batch_change_nothing(self) -> None:
        whole = self.render().clone()
        count = len(self.configs)
        for order in ([*range(count)][::-1], [count - 1] * (count - 1) + [0], [1, 0, *[1] * (count - 2)]):
            moved = self.render([self.configs[index] for index in order])
            self._require_equal(moved, whole[order], f"order {order}", "let no clip depend on its neighbours")

    def test_the_size_of_a_batch_changes_nothing_that_is_heard(self) -> None:
        whole = self.render().clone()
        for size in (1, 2):
            gap = float((self.render(self.configs[:size]) - whole[:size]).abs().max())
            _require(
                gap <= MAX_ROUNDING,
                f"a batch of {size} must be within {MAX_ROUNDING:g} of one of {len(whole)}, got {gap:g}",
            )

    def test_seconds_and_sample_rate_are_honoured(self) -> None:
        for seconds, rate in ((10.0, SAMPLE_RATE), (0.5, SAMPLE_RATE), (1.37, 44_100), (1.0, 16_000)):
            shape = (1, 2, round(seconds * rate))
            got = tuple(self.render(self.configs[:1], seconds=seconds, sample_rate=rate).shape)
            _require(got == shape, f"{seconds:g} s at {rate} Hz must have shape {shape}, got {got}")

    def test_pitch_does_not_depend_on_the_sample_rate(self) -> None:
        high, low = self._bands(SAMPLE_RATE), self._bands(SAMPLE_RATE // 2)
        # A renderer that ignores the rate sounds an octave, 12 bands, lower at half of it.
        same, lower = _likeness(high, low), _likeness(high[12:], low[:-12])
        # Noise is as unlike in one way as in the other: hence the margin.
        _require(
            same > lower - 0.1,
            f"24 kHz must sound like 48 kHz, got likeness {same:.2f}, and {lower:.2f} to the sound an octave "
            "higher; compute frequencies from sample_rate",
        )

    def test_every_seed_is_taken(self) -> None:
        for seed in (1, 2**31):
            first, again = self.render(seed=seed).clone(), self.render(seed=seed)
            self._require_equal(again, first, f"seed {seed}", "draw from `seed` alone")

    def test_its_inputs_are_left_alone(self) -> None:
        given = list(self.configs)
        before = [config_hash(config) for config in given]
        self._callable(
            given, seconds=self.seconds, sample_rate=SAMPLE_RATE, device=torch.device(self.device), seed=0
        )
        same = len(given) == len(before) and all(a is b for a, b in zip(given, self.configs, strict=True))
        _require(same, "must not change the list of configs")
        _require(before == [config_hash(config) for config in given], "must not change a config")

    def test_every_call_returns_memory_of_its_own(self) -> None:
        first, second = self.render(), self.render()
        _require(
            first.data_ptr() != second.data_ptr(),
            "must return new memory, got the same twice; whoever changes one result would change the other",
        )

    def _name(self, index: int) -> str:
        return f"config {index} ({config_hash(self.configs[index])[:12]})"

    @staticmethod
    def _require_equal(got: torch.Tensor, expected: torch.Tensor, what: str, cure: str) -> None:
        _require(
            got.shape == expected.shape and torch.equal(got, expected),
            f"{what} must give bit-equal samples, got others; {cure}",
        )

    def _bands(self, sample_rate: int) -> Bands:
        """[72, B] levels in decibels of a twelfth of an octave each, 100 Hz to 6.4 kHz."""
        sound = self.render(sample_rate=sample_rate).mean(dim=1).cpu().double().numpy()
        power = np.square(np.abs(np.fft.rfft(sound * np.hanning(sound.shape[1]))))
        hertz = np.fft.rfftfreq(sound.shape[1], 1 / sample_rate)
        edges = 100.0 * 2 ** (np.arange(73) / 12)
        bands = [power[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in pairwise(edges)]
        levels: Bands = 10 * np.log10(np.stack(bands) / np.maximum(power.sum(axis=1), 1e-12) + 1e-9)
        return levels


def _likeness(
    one: Bands,
    other: Bands,
) -> float:
    """Mean over the columns of their correlation, -1 to 1; 0 for silence."""
    a, b = one - one.mean(axis=0), other - other.mean(axis=0)
    lengths = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return float(np.mean((a * b).sum(axis=0) / np.maximum(lengths, 1e-12)))


def check_renderer(path: str, *, device: str = "cpu", seconds: float = 1.0) -> Iterator[CheckResult]:
    """Run every check on a renderer.

    Args:
        path: `module:callable`.
        device: a torch device that the machine has.
        seconds: length of the clips.

    Yields:
        The checks' results as they come.

    Raises:
        UserError: it cannot be imported.
    """
    load_callable(path)
    contract = type(
        "Checked", (RendererContract,), {"renderer": path, "device": device, "seconds": seconds}
    )()
    for name in vars(RendererContract):
        if name.startswith("test_"):
            yield CheckResult(name.removeprefix("test_").replace("_", " "), _problem(getattr(contract, name)))


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except AssertionError as error:
        return str(error)
    except Exception as error:  # whatever a renderer may raise is a broken rule, not the end of the checks
        return f"raised {type(error).__name__}: {error}"
    return None
