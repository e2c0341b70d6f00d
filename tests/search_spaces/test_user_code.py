"""What of a sweep is the user's own code."""

from __future__ import annotations

from search_spaces.sweep_file import SweepFile
from search_spaces.user_code import user_code


def test_a_sweep_of_ours_alone_has_none() -> None:
    assert user_code(SweepFile.model_validate({"name": "s", "space": {"lora.r": [4, 8]}})) == ()


def test_scorers_and_renderers_are_named_wherever_they_are_set() -> None:
    sweep = SweepFile.model_validate(
        {
            "name": "s",
            "base": {"grpo.reward.clap.renderer": "mine:render"},
            "space": {
                "grpo.reward.reward_type": ["clap", "custom"],
                "grpo.reward.custom_scorer_path": ["their.scorer:score"],
            },
            "when": {"grpo.reward.custom_scorer_path": "grpo.reward.reward_type == 'custom'"},
            "objective": {"scorer": {"renderer": "mine:render"}},
        }
    )
    assert user_code(sweep) == (
        "their.scorer:score (grpo.reward.custom_scorer_path)",
        "mine:render (grpo.reward.clap.renderer, objective.scorer.renderer)",
    )
