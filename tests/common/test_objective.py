"""The evaluation's second checkpoint: which one it may be, and what it hears."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from common.objective import ObjectiveConfig


def objective(**content: object) -> ObjectiveConfig:
    return ObjectiveConfig.model_validate(content)


def test_without_a_second_checkpoint_there_is_no_second_scorer() -> None:
    assert objective().eval_clap_scorer is None


def test_the_second_checkpoint_hears_the_sound_of_the_first() -> None:
    scorer = {"model": "tiny", "seconds": 20.0, "render_seed": 3, "bad_sounds": ["hiss"]}
    one = objective(scorer=scorer, eval_clap={"backend": "laion-clap", "model": "630k-best.pt"})
    assert one.eval_clap_scorer is not None
    assert one.eval_clap_scorer.model_dump() == one.scorer.model_dump() | {
        "backend": "laion-clap",
        "model": "630k-best.pt",
    }


def test_the_same_checkpoint_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be another checkpoint than scorer, got 'tiny' for both"):
        objective(eval_clap={"model": "tiny"})


def test_it_says_which_model_listens_and_nothing_else() -> None:
    with pytest.raises(ValidationError, match=r"eval_clap\.seconds"):
        objective(eval_clap={"model": "larger-clap-music", "seconds": 5.0})
    with pytest.raises(ValidationError, match="set backend to 'laion-clap'"):
        objective(eval_clap={"model": "630k-best.pt"})
