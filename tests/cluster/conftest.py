"""One small local Ray for the whole folder, and sweeps of stand-ins that cost nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from search_spaces.sweep_file import SweepFile

    MakeSweep = Callable[..., SweepFile]

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray whose workers can import the stand-ins of this folder."""
    import ray  # noqa: PLC0415 - only the tests that ask for it start it

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, before]))
    sys.path.insert(0, HERE)
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27
    )
    yield
    ray.shutdown()
    sys.path.remove(HERE)
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def make_sweep(tmp_path: Path) -> MakeSweep:
    """A sweep over grpo.beta on two rows of data, with settings replaced."""
    from search_spaces.sweep_file import SweepFile  # noqa: PLC0415

    data = tmp_path / "vibes.jsonl"
    data.write_text('{"vibe_noisy": "late night neon"}\n{"vibe_noisy": "soft rain"}\n')

    def make(**content: Any) -> SweepFile:
        return SweepFile.model_validate(
            {
                "name": "stand-in",
                "base": {"base_model": "tiny"},
                "data": {"train": str(data), "held_out": str(data)},
                "space": {"grpo.beta": [0.0, 0.05]},
                "resources": {"cpus_per_scorer": 0},
            }
            | content
        )

    return make
