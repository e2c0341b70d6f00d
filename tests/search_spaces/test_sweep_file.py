"""A sweep file becomes one resolved, checked object, or one line that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from search_spaces.axes import GridAxis, MixtureAxis, RangeAxis
from search_spaces.designs import enumerate_points
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
    (tmp_path / "clap.pt").touch()
    sweep = load(
        tmp_path,
        "name: x\nbase: {grpo.reward.clap.model: ./clap}\nspace: {base_model: [tiny, policy, own/er]}\n"
        "objective: {scorer: {backend: laion-clap, model: clap.pt}, eval_clap: {model: ./clap}}",
    )
    assert sweep.space["base_model"] == GridAxis(grid=("tiny", str(tmp_path / "policy"), "own/er"))
    assert sweep.base["grpo.reward.clap.model"] == str(tmp_path / "clap")
    assert sweep.objective.scorer.model == str(tmp_path / "clap.pt")
    assert sweep.objective.eval_clap is not None
    assert sweep.objective.eval_clap.model == str(tmp_path / "clap")


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
        ("serach: {mode: grid}", r"serach: unknown key, got {'mode': 'grid'}; .*; did you mean search\?"),
        (
            "search: {trails: 3}",
            r"search.trails: unknown key, got 3; must be one of .*; did you mean trials\?",
        ),
        ("search: {mode: gird}", r"search.mode: Input should be 'grid', .* got 'gird'; did you mean grid\?"),
        (
            "search: {mode: random, sampler: sobel, trials: 3}",
            r"sampler: .* got 'sobel'; did you mean sobol\?",
        ),
        ("scheduler: {type: ahsa}", r"scheduler.type: .* got 'ahsa'; did you mean asha\?"),
        ("scheduler: {evalsteps: 3}", r"scheduler.evalsteps: unknown key, .*; did you mean eval_steps\?"),
        ("budget: {hour: 3}", r"budget.hour: unknown key, got 3; .*; did you mean hours\?"),
        ("resources: {pool: null}", r"resources.pool: must be an object with named fields, got None"),
        ("resources: {scorer: 3}", r"resources.scorer: unknown key, got 3; .*; did you mean scorers\?"),
        ("objective: {num_vibe: 3}", r"objective.num_vibe: unknown key, .*; did you mean num_vibes\?"),
        (
            "objective: {weights: {audio: 1}}",
            r"objective.weights.audio: unknown key, got 1; must be one of format_weight, .*",
        ),
        ("base: {lora.rank: 3}", r"base.lora.rank: must be a setting of .*; did you mean lora.r\?"),
        ("space: {reward.mixtur: guide}", r"space.reward.mixtur: .* did you mean reward.mixture\?"),
        (
            "base: {reward.mixture: 1}",
            r"base.reward.mixture: the mixture is an axis, got it as a base setting",
        ),
        (
            "space: {reward.mixture: {points: 3}, grpo.reward.weights.audio_weight: [1]}",
            r"space.grpo.reward.weights.audio_weight: must not stand beside reward.mixture",
        ),
        (
            "space: {reward.mixture: guide}",
            r"space.reward.mixture: a grid needs values to try, got a mixture",
        ),
        (
            "base: {base_model: tiny}\nspace: {system_prompt: [a, b]}",
            r"space.system_prompt: a prompt must reach the policy to be varied, got base_model 'tiny'",
        ),
        (
            "space: {base_model: [own/er, tiny], prompts.config_generation: [config_v1]}",
            r"space.prompts.config_generation: a prompt must reach the policy .* set another base_model",
        ),
        ("search: {mode: random, trials: 3}", r"space: Random mode needs at least one axis, got none"),
        (
            "search: {mode: mixed, trials: 7}\nspace: {lora.r: [1, 2, 3], grpo.beta: guide}",
            r"search.trials: must be a multiple of the 3 combinations .*, got 7; use 6 or 9",
        ),
        (
            "search: {mode: mixed, trials: 2}\nspace: {lora.r: [1, 2, 3], grpo.beta: guide}",
            r"search.trials: .* got 2; use 3",
        ),
        (
            "search: {mode: mixed, trials: 4}\nspace: {lora.r: [1, 2]}",
            r"search.mode: mixed needs axes with listed values and axes with a range, got 1 and 0",
        ),
        ("rows: {lora.rr: {kind: int, low: 1, high: 2}}", r"rows.lora.rr: must be a setting .*lora.r\?"),
        ("rows: {lora.r: {kind: int, low: 0, high: 2}}", r"rows.lora.r: .*greater than or equal to 1, got 0"),
        (
            "rows: {lora.r: {kind: imt, low: 1, high: 2}}",
            r"rows.lora.r: kind: .* got 'imt'; did you mean int\?",
        ),
        (
            "rows: {lora.r: {kind: int, lo: 1, high: 2}}",
            r"rows.lora.r: lo: unknown key, .*; did you mean low\?",
        ),
        (
            "space: {grpo.beta: {range: [0.1, 1], scale: lgo}}",
            r"space.grpo.beta: scale: .* got 'lgo'; did you mean log\?",
        ),
        (
            "space: {grpo.beta: guid}",
            r"space.grpo.beta: an axis must be .*, got 'guid'; did you mean guide\?",
        ),
        ("rows: {lora.r: 3}", r"rows.lora.r: a row must be a mapping"),
        ("rows_file: nowhere.py", r"rows_file must be a Python file, got .*nowhere.py' \(No such file"),
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


def test_a_row_of_ones_own_makes_a_guide_axis(tmp_path: Path) -> None:
    sweep = load(
        tmp_path,
        "name: x\nrows: {optimizer.max_grad_norm: {kind: float, scale: log, low: 0.1, high: 10}}\n"
        "space: {optimizer.max_grad_norm: {guide: 3}}",
    )
    axis = sweep.space["optimizer.max_grad_norm"]
    assert axis == RangeAxis(range=(0.1, 10), scale="log", kind="float", points=3)
    assert axis.grid_values() == (0.1, 1.0, 10.0)
    assert SweepFile.model_validate_json(sweep.model_dump_json()) == sweep


def test_a_rows_file_is_found_from_the_sweep_file_and_needed_only_once(tmp_path: Path) -> None:
    rows = tmp_path / "my_rows.py"
    rows.write_text(
        "from search_spaces import SpaceRow\n"
        "ROWS = [SpaceRow(path='grpo.beta', kind='float', low=0, high=1),\n"
        "        SpaceRow(path='optimizer.max_grad_norm', kind='float', low=1, high=2)]\n"
    )
    sweep = load(
        tmp_path,
        "name: x\nrows_file: my_rows.py\nrows: {grpo.beta: {kind: float, low: 0, high: 0.5}}\n"
        "space: {grpo.beta: {guide: 2}, optimizer.max_grad_norm: {guide: 2}}",
    )
    # What stands in the sweep file goes before the rows file.
    assert [axis.grid_values() for axis in sweep.space.values()] == [(0, 0.5), (1, 2)]
    rows.unlink()
    assert SweepFile.model_validate_json(sweep.model_dump_json()) == sweep


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ROWS = 3", r"must define ROWS, a list of SpaceRow, got 3"),
        ("rows = []", r"must define ROWS, a list of SpaceRow, got None"),
        ("import nothing_like_it", r"must run, got ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("ROWS = [", r"must run, got SyntaxError"),
        (
            "from search_spaces import SpaceRow as R\nROWS = [R(path='lora.rank', kind='text')]",
            r"must run, got ValidationError: lora.rank: must be a setting .*did you mean lora.r\?",
        ),
    ],
)
def test_a_rows_file_that_gives_no_rows_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "my_rows.py").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path, "name: x\nrows_file: my_rows.py")
    assert str(caught.value).startswith(f"{tmp_path / 'sweep.yaml'}: ")
    assert "\n" not in str(caught.value)


def test_mirror_and_earlier_sweeps_are_found_from_the_files_folder(tmp_path: Path) -> None:
    text = (
        "name: x\nspace: {grpo.beta: guide}\n"
        "search: {mode: optuna, trials: 2, mirror: '%s', warm_start: [a/b]}"
    )
    sweep = load(tmp_path, text % "sqlite:///study.db")
    assert sweep.search.mirror == f"sqlite:///{tmp_path}/study.db"
    assert sweep.search.warm_start == (f"{tmp_path}/a/b",)
    for url in ("sqlite:////abs/study.db", "postgresql://host/study", "sqlite:///:memory:"):
        assert load(tmp_path, text % url).search.mirror == url


def test_a_prompt_may_vary_where_its_condition_leaves_the_tiny_policy_out(tmp_path: Path) -> None:
    text = "name: x\nspace: {base_model: [own/er, tiny], system_prompt: [a, b]}\nwhen: {system_prompt: %s}"
    sweep = load(tmp_path, text % "\"base_model != 'tiny'\"")
    points = enumerate_points(sweep).points
    assert [(p.config.base_model, p.params.get("system_prompt")) for p in points] == [
        ("own/er", "a"), ("own/er", "b"), ("tiny", None),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"space.system_prompt: a prompt must reach the policy"):
        load(tmp_path, text % "\"base_model == 'tiny'\"")


def test_every_part_of_a_sweep_survives_json(tmp_path: Path) -> None:
    sweep = load(
        tmp_path,
        "name: x\nspace: {lora.r: guide, reward.mixture: {points: 4, faces: false}, lora.bias: guide}\n"
        "derived: {lora.alpha: 2 * lora.r}\nwhen: {lora.bias: lora.r > 4}\nconstraints: [lora.r < 64]\n"
        "scheduler: {type: asha, eval_steps: 2}\nbudget: {hours: 1}",
    )
    assert sweep.space["reward.mixture"] == MixtureAxis(points=4, faces=False)
    assert SweepFile.model_validate_json(sweep.model_dump_json()) == sweep
