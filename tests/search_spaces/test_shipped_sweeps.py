"""The sweep files in `sweeps/` load, and come to what their comments say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from common.training_config import PROJECT_ROOT
from search_spaces.designs import enumerate_points, grid_cells
from search_spaces.mixture import MixtureAxis
from search_spaces.sweep_file import SweepFile, load_sweep_file

if TYPE_CHECKING:
    from pathlib import Path

SWEEPS = PROJECT_ROOT / "sweeps"


def shipped(name: str) -> SweepFile:
    return load_sweep_file(SWEEPS / f"{name}.yaml")


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_file_loads_under_its_own_name(path: Path) -> None:
    sweep = load_sweep_file(path)
    assert sweep.name == path.stem
    assert sweep.base["base_model"] == ("gemma3-270m" if sweep.name == "prompts" else "tiny")


def test_lora_rank_keeps_the_adapters_scale() -> None:
    points = enumerate_points(shipped("lora_rank")).points
    assert [(p.config.lora.r, p.config.lora.alpha) for p in points] == [
        (rank, rank) for rank in (4, 8, 16, 32, 64)
    ]


def test_learning_rate_has_the_values_of_its_comment() -> None:
    points = enumerate_points(shipped("learning_rate")).points
    assert [p.config.optimizer.learning_rate for p in points] == [3e-4, 6e-4, 1.2e-3, 2.4e-3, 4.8e-3]


def test_grpo_beta_goes_one_at_a_time() -> None:
    # The base, five other betas, three error rates.
    points = enumerate_points(shipped("grpo_beta")).points
    assert len(points) == 9
    assert [p.config.noise.error_rate for p in points[-3:]] == [0.0, 0.25, 0.5]


def test_prompts_have_two_system_prompts() -> None:
    points = enumerate_points(shipped("prompts")).points
    assert len({p.config.system_prompt for p in points}) == 2


def test_reward_mixture_searches_the_faces_too_and_stops_early() -> None:
    sweep = shipped("reward_mixture")
    assert sweep.space == {"reward.mixture": MixtureAxis()}
    assert (sweep.search.method, sweep.scheduler.type) == ("tpe", "asha")


def test_everything_shares_its_trials_among_four_cells() -> None:
    sweep = shipped("everything")
    assert (len(grid_cells(sweep)), sweep.search.trials) == (4, 48)
    assert sweep.search.metrics == ("held_out_objective", "train_seconds")


def test_the_readmes_space_loads(tmp_path: Path) -> None:
    [block] = re.findall(
        r"```yaml\n(space:.*?)```", (PROJECT_ROOT / "README.md").read_text(), flags=re.DOTALL
    )
    file = tmp_path / "readme.yaml"
    file.write_text(f"name: readme\n{block}")
    found = enumerate_points(load_sweep_file(file))
    assert len(found.points) == 64
    assert all(p.config.lora.alpha == 2 * p.config.lora.r for p in found.points)
