"""A sweep file becomes one resolved, checked object, or one line that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from search_spaces.axes import GridAxis, RangeAxis
from search_spaces.sweep_file import SweepFile, load_sweep_file

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
name: whole
base:
  base_model: tiny
  lora: {r: 8, alpha: 8}
  grpo.beta: 0.02
data: {train: vibes/train.jsonl, held_out: tiny}
space:
  optimizer.learning_rate: [1e-4, 3e-4]
  grpo.beta: {grid: [0.0, 0.04]}
  lora.r: {preset: lora_rank}
seeds: [0, 1]
objective: {num_vibes: 24}
resources: {scorers: 2, cpus_per_scorer: 0}
"""


def load(tmp_path: Path, text: str) -> SweepFile:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return load_sweep_file(path)


def test_a_file_is_resolved(tmp_path: Path) -> None:
    sweep = load(tmp_path, WHOLE)
    assert sweep.base == {"base_model": "tiny", "lora.r": 8, "lora.alpha": 8, "grpo.beta": 0.02}
    assert sweep.data.train == str(tmp_path / "vibes" / "train.jsonl")
    assert sweep.data.held_out == "tiny"
    assert sweep.space["optimizer.learning_rate"] == GridAxis(grid=(1e-4, 3e-4))
    assert sweep.space["lora.r"] == GridAxis(grid=(4, 8, 16, 32, 64))
    assert sweep.seeds == (0, 1)
    assert sweep.base_config().lora.alpha == 8


def test_a_resolved_sweep_survives_json(tmp_path: Path) -> None:
    sweep = load(tmp_path, WHOLE.replace("lora.r: {preset: lora_rank}", "lora.r: [2, 4]"))
    assert SweepFile.model_validate_json(sweep.model_dump_json()) == sweep


def test_a_range_survives_json_and_takes_its_kind_from_the_setting(tmp_path: Path) -> None:
    sweep = load(
        tmp_path,
        "name: x\nsearch: {mode: optuna, trials: 3}\n"
        "space: {lora.r: {range: [4, 64], scale: log}, lora.alpha: {range: [8, 32]}, "
        "max_steps: {range: [5, 9]}}",
    )
    assert sweep.space["lora.r"] == RangeAxis(range=(4, 64), scale="log", kind="int")
    assert sweep.space["lora.alpha"] == RangeAxis(range=(8, 32), kind="float")
    assert sweep.space["max_steps"] == RangeAxis(range=(5, 9), kind="int")
    assert SweepFile.model_validate_json(sweep.model_dump_json()) == sweep


def test_local_models_are_found_from_the_files_folder_and_known_names_stay(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "policy").mkdir()
    sweep = load(
        tmp_path,
        "name: x\nbase: {grpo.reward.clap.model: ./clap}\nspace: {base_model: [tiny, policy, own/er]}\n"
        "objective: {scorer: {model: policy}}",
    )
    assert sweep.space["base_model"] == GridAxis(grid=("tiny", str(tmp_path / "policy"), "own/er"))
    assert sweep.base["grpo.reward.clap.model"] == str(tmp_path / "clap")
    assert sweep.objective.scorer.model == str(tmp_path / "policy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seedz: [1]", r"seedz: unknown key"),
        (
            "space: {lora.rank: [1]}",
            r"lora.rank: must be a setting of TrainingConfig, .* did you mean lora.r\?",
        ),
        ("space: {learning_rate: [1]}", r"did you mean optimizer.learning_rate\?"),
        ("space: {objective.temperature: [1]}", r"the evaluation is the same for every trial"),
        ("space: {seed: [1]}", r"every point runs with all seeds, got it as an axis; list them in `seeds`"),
        ("base: {seed: 1}", r"got it as a base setting; list them in `seeds`"),
        (
            "space: {lora: [1]}",
            r"lora: must be a single setting, got a group; name one of lora.r, lora.alpha",
        ),
        ("space: {infra.max_retries: [1]}", r"an axis must change what is learned"),
        ("space: {lora.r: {range: [1, 4]}}", r"space.lora.r: a grid needs values to try, got a range"),
        ("space: {lora.r: {grid: [1], step: 2}}", r"an axis must be a list of values, .* got {'grid'"),
        ("space: {lora.r: 3}", r"an axis must be a list of values, .* got 3"),
        ("space: {lora.r: []}", r"lora.r: grid: Tuple should have at least 1 item"),
        ("space: {lora.r: {preset: batch_size}}", r"preset batch_size varies batch.batch_size, not lora.r"),
        ("space: {lora.r: {preset: rank}}", r"preset must be one of lora_rank, .* got 'rank'"),
        (
            "space: {lora.r: [8, 0]}",
            r"space.lora.r: .*greater than or equal to 1, got 0 \(in the point lora.r=0\)",
        ),
        ("space: {grpo.loss_type: [grpp]}", r"space.grpo.loss_type: Input should be 'grpo', .* got 'grpp'"),
        ("base: {grpo.beta: -1}", r"base.grpo.beta: Input should be greater than or equal to 0, got -1"),
        ("base: {lora.r: 3, lora: {r: 4}}", r"base.lora.r: must be given once"),
        ("search: {mode: optuna}", r"trials must be given exactly when mode is not 'grid'"),
        ("search: {mode: optuna, trials: 3}", r"Optuna mode needs at least one axis"),
        ("seeds: [1, 1]", r"seeds must differ, got \[1, 1\]"),
        ("objective: {metric: reward}", r"objective.metric: .* got 'reward'; the trained reward changes"),
        ("resources: {scorers: -1}", r"resources.scorers: .* got -1"),
    ],
)
def test_bad_files_are_refused_in_one_line_with_file_path_rule_and_cure(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path, f"name: x\n{text}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'sweep.yaml'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("{range: [4, 4]}", r"low < high, got \[4, 4\]"),
        ("{range: [0, 1], scale: log}", r"scale 'log' must start above 0, got 0"),
        ("{range: [1.5, 3], kind: int}", r"kind 'int' must have whole ends"),
        ("{range: [0, 8]}", r"greater than or equal to 1, got 0"),
    ],
)
def test_bad_ranges_are_refused(tmp_path: Path, axis: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, f"name: x\nsearch: {{mode: optuna, trials: 2}}\nspace: {{lora.r: {axis}}}\n")


def test_other_seeds_make_the_same_sweep_with_other_seeds(tmp_path: Path) -> None:
    sweep = load(tmp_path, WHOLE)
    assert sweep.with_seeds((5, 6)).seeds == (5, 6)
    assert sweep.with_seeds((0, 1)) == sweep
    with pytest.raises(UserError, match=r"seeds must differ"):
        sweep.with_seeds((5, 5))
