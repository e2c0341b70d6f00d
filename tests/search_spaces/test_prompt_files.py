"""Prompts from files: read and checked, registered once, and carried by the sweep that names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from common import prompt_registry
from common.errors import UserError
from common.prompt_registry import get_prompt
from common.training_config import PROJECT_ROOT, TrainingConfig, apply_overrides
from search_spaces.designs import enumerate_points
from search_spaces.prompt_files import read_prompts, register_prompts_file
from search_spaces.sweep_file import SweepFile, load_sweep_file
from search_spaces.sweep_record import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = """
terse: {version: 1.0.0, description: few words, template: "Compose. The schema: {schema}"}
long_words:
  version: 2.1.0
  description: many words
  template: |
    You are a composer.
    Answer with JSON.
"""
SWEEP = """
name: x
prompts_file: %s
base: {base_model: own/er, prompts.config_generation: long_words}
space: {prompts.config_generation: [config_v1, terse, long_words]}
"""


OURS = ("config_v1", "system_v1", "vibe_v1")


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_prompts(monkeypatch)


def forget_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process, which has registered the project's own prompts alone."""
    registry = {name: prompt for name, prompt in prompt_registry._REGISTRY.items() if name in OURS}
    monkeypatch.setattr(prompt_registry, "_REGISTRY", registry)


def load(tmp_path: Path, prompts: str = PROMPTS, sweep: str = SWEEP % "prompts.yaml") -> SweepFile:
    (tmp_path / "prompts.yaml").write_text(prompts)
    (tmp_path / "sweep.yaml").write_text(sweep)
    return load_sweep_file(tmp_path / "sweep.yaml")


def test_a_sweep_searches_the_prompts_of_a_file(tmp_path: Path) -> None:
    points = enumerate_points(load(tmp_path)).points
    texts = [point.config.system_prompt for point in points]
    assert [point.label for point in points] == [
        f"prompts.config_generation={name}" for name in ("config_v1", "terse", "long_words")
    ]
    # Each point has its own text, though the base names one of them.
    assert texts[0] == TrainingConfig().system_prompt
    assert texts[1].startswith('Compose. The schema: {"')
    assert texts[2] == "You are a composer.\nAnswer with JSON.\n"
    assert len({point.config_hash for point in points}) == 3


def test_a_stored_sweep_and_its_trials_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = load(tmp_path)
    stored = sweep.model_dump_json()
    configs = [point.config for point in enumerate_points(sweep).points]
    trials = [config.model_dump_json() for config in configs]
    (tmp_path / "prompts.yaml").unlink()

    forget_prompts(monkeypatch)
    # A worker process reads its trial's configuration and not the sweep: the text is in it.
    assert [TrainingConfig.model_validate_json(trial) for trial in trials] == configs
    with pytest.raises(UserError, match="prompt must be one of config_v1, system_v1, vibe_v1, got 'terse'"):
        get_prompt("terse")
    # Who goes on with the sweep has the prompts again.
    again = SweepFile.model_validate_json(stored)
    assert again == sweep
    assert get_prompt("terse").description == "few words"
    assert [point.config for point in enumerate_points(again).points] == configs


def test_a_name_that_stands_for_another_text_is_refused(tmp_path: Path) -> None:
    load(tmp_path)
    load(tmp_path)  # the same again changes nothing
    with pytest.raises(
        UserError, match=r"prompts.terse: prompt 'terse' is registered .*, got another text .*new name"
    ):
        load(tmp_path, PROMPTS.replace("Compose.", "Write."))
    with pytest.raises(
        UserError, match=r"prompt 'config_v1' is registered as version 1.0.0, got another text"
    ):
        load(tmp_path, PROMPTS.replace("terse:", "config_v1:"))


def test_prompts_of_the_sweep_file_and_of_its_prompts_file_are_one_set(tmp_path: Path) -> None:
    own = "prompts: {%s: {version: 1.0.0, description: '', template: Sing.}}\n"
    sweep = load(tmp_path, sweep=SWEEP % "prompts.yaml" + own % "own")
    assert list(sweep.prompts) == ["terse", "long_words", "own"]
    with pytest.raises(UserError, match=r"prompts: terse: must be one text, got two"):
        load(tmp_path, sweep=SWEEP % "prompts.yaml" + own % "terse")


def test_a_folder_has_the_prompts_of_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with pytest.raises(UserError, match=r"mine: cannot be read .*; give the path of a prompts file"):
        read_prompts(folder)
    folder.mkdir()
    with pytest.raises(
        UserError, match=r"prompts_file must be a YAML file or a folder of them, got .*with none"
    ):
        read_prompts(folder)
    (folder / "a.yaml").write_text(PROMPTS)
    (folder / "b.yml").write_text("more: {version: 1.0.0, description: '', template: More.}")
    (folder / "notes.txt").write_text("no prompt")
    assert list(read_prompts(folder)) == ["terse", "long_words", "more"]
    register_prompts_file(folder)
    assert get_prompt("more").template == "More."
    (folder / "b.yml").write_text("terse: {version: 1.0.0, description: '', template: More.}")
    with pytest.raises(UserError, match=r"b.yml: terse: must be one text, got two; give the changed prompt"):
        read_prompts(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x: text", r"x: a prompt must be a mapping with version, .*got 'text'"),
        ("x: {version: 1.0.0, description: ''}", r"x\.template: missing; add it"),
        ("x: {version: 1, description: '', template: a}", r"x\.version: .*got 1"),
        ("x: {version: v1, description: '', template: a}", r"x\.version: .*pattern.*got 'v1'"),
        ("x: {version: 1.0.0, description: '', template: ' '}", r"x\.template: must have a text, got ' '"),
        ("x: {version: 1.0.0, text: a}", r"x\..*missing; add it"),
        ("x: {version: 1.0.0, description: '', template: a, author: me}", r"x\.author: unknown key"),
        (
            "x: {name: y, version: 1.0.0, description: '', template: a}",
            r"x: its `name` must be the same, got 'y'",
        ),
        ("[x]", r"a prompts file must be a mapping, got list"),
    ],
)
def test_a_prompt_that_is_none_is_named_with_its_rule(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "prompts.yaml").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_prompts(tmp_path / "prompts.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'prompts.yaml'}: ")


def test_the_texts_that_a_sweep_names_decide_whether_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(prompts: str) -> str:
        forget_prompts(monkeypatch)
        return fingerprint(load(tmp_path, prompts), {"train": "a", "held_out": "b"})

    first = of(PROMPTS)
    assert of(PROMPTS + "another: {version: 1.0.0, description: '', template: Sing.}") == first
    assert of(PROMPTS.replace("few words", "not many words")) == first
    assert of(PROMPTS.replace("Compose.", "Write.")) != first


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            "{prompts.vibe_extraction: [vibe_v1]}",
            r"space.prompts.vibe_extraction: an axis must change what a trial",
        ),
        (
            "{system_prompt: [a, b], prompts.config_generation: [config_v1]}",
            r"space.prompts.config_generation: must not stand beside system_prompt",
        ),
        ("{prompts.config_generation: [config_v9]}", r"got 'config_v9'; correct it, or .*prompts_file"),
    ],
)
def test_a_prompt_axis_that_changes_nothing_is_refused(tmp_path: Path, space: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, sweep=f"name: x\nbase: {{base_model: own/er}}\nspace: {space}")


def test_the_documented_prompt_is_one(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", (PROJECT_ROOT / "docs" / "prompts.md").read_text(), re.DOTALL)
    (tmp_path / "prompts.yaml").write_text(block)
    register_prompts_file(tmp_path / "prompts.yaml")
    assert '"phrase_len_bars"' in prompt_registry.render_prompt("composer_v2")


def test_naming_a_prompt_renders_it_and_a_text_beside_it_is_refused() -> None:
    first = apply_overrides(TrainingConfig(), {"prompts.config_generation": "system_v1"})
    assert first.system_prompt == get_prompt("system_v1").template
    assert apply_overrides(first, {"prompts": {"config_generation": "config_v1"}}) == TrainingConfig()
    assert apply_overrides(first, {"lora.r": 4}).system_prompt == first.system_prompt
    both = {"prompts.config_generation": "config_v1", "system_prompt": "Sing."}
    with pytest.raises(
        UserError, match=r"^prompts.config_generation must not stand beside a system_prompt of"
    ):
        apply_overrides(first, both)
