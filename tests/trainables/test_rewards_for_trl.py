"""The three reward functions over one scored batch, with TRL's meaning of None."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from trl.trainer.utils import get_callable_name

from common.reward_config import RewardConfig, RewardWeights
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.ledger_writer import LedgerWriter
from trainables.rewards_trl import RewardBatch, reward_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from common.reward_config import Component
    from trainables.rewards_trl import ComponentReward
    from trainables.spec import TrialSpec

SCORED = Components(format=1.0, schema=0.75, audio=0.5, renderable=True)
NOT_RENDERABLE = Components(format=0.0, schema=0.25, audio=None, renderable=False)
UNSCORED = Components.missing("timeout")


class Canned(Scorer):
    """Answers with what it was given, and counts its calls."""

    def __init__(self, *components: Components) -> None:
        super().__init__(None)
        self.scorer_id = "canned"
        self.components = list(components)
        self.calls = 0

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        self.calls += 1
        return self.components


@pytest.fixture
def make_batch(make_spec: Callable[..., TrialSpec]) -> Callable[..., RewardBatch]:
    def make(scorer: Scorer, **reward: Any) -> RewardBatch:
        return RewardBatch(scorer, LedgerWriter(make_spec()), RewardConfig(**reward), num_rollouts=1000)

    return make


def call(
    functions: Sequence[ComponentReward], texts: list[str], step: int = 3
) -> dict[Component, list[float | None]]:
    """As TRL calls them: one after the other, with the same list."""
    return {
        f.component: f(
            ["p"] * len(texts),
            texts,
            [[1]] * len(texts),
            reference=[f"vibe {i // 2}" for i in range(len(texts))],
            prompt_id=[f"p{i // 2}" for i in range(len(texts))],
            trainer_state=SimpleNamespace(global_step=step),
            log_metric=None,
        )
        for f in functions
    }


def test_an_unscored_completion_is_none_in_every_function_and_silence_gets_the_floor(
    make_batch: Callable[..., RewardBatch],
) -> None:
    scorer = Canned(SCORED, NOT_RENDERABLE, UNSCORED)
    functions, weights = reward_functions(make_batch(scorer, audio_floor=-2))
    assert call(functions, ["a", "b", "c"]) == {
        "format": [1.0, 0.0, None],
        "schema": [0.75, 0.25, None],
        "audio": [0.5, -2.0, None],
    }
    assert weights == [0.2, 0.3, 0.5]
    assert scorer.calls == 1


def test_equal_texts_of_another_batch_are_scored_again(make_batch: Callable[..., RewardBatch]) -> None:
    scorer = Canned(SCORED)
    functions, _ = reward_functions(make_batch(scorer))
    call(functions, ["a"])
    call(functions, ["a"])
    assert scorer.calls == 2


def test_without_audio_there_is_no_audio_function(make_batch: Callable[..., RewardBatch]) -> None:
    weights = RewardWeights(format_weight=0.1, schema_weight=0.4, audio_weight=0.5)
    functions, given = reward_functions(make_batch(Canned(), reward_type="schema_only", weights=weights))
    assert [f.component for f in functions] == ["format", "schema"]
    assert given == [0.1, 0.4]


def test_trl_names_the_functions_by_their_component_and_they_pickle(
    make_batch: Callable[..., RewardBatch],
) -> None:
    functions, _ = reward_functions(make_batch(Canned(SCORED)))
    assert [get_callable_name(f) for f in functions] == ["format", "schema", "audio"]
    assert call(pickle.loads(pickle.dumps(functions)), ["a"])["schema"] == [0.75]


def test_rollouts_go_to_the_ledger_with_their_place_in_the_group(
    make_batch: Callable[..., RewardBatch], tmp_path: Path
) -> None:
    batch = make_batch(Canned(SCORED, NOT_RENDERABLE, UNSCORED, SCORED))
    texts = ["a", "b", "c", "d"]
    batch.expect(8.0, texts, ["vibe 0", "vibe 0", "vibe 1", "vibe 1"])
    functions, _ = reward_functions(batch)
    call(functions, texts)
    batch.ledger.write_rollouts(4)
    rows = pq.read_table(tmp_path / "trials" / "t000-s1" / "ledger" / "train-000004.parquet").to_pylist()
    assert [(r["prompt_id"], r["sample"], r["step"]) for r in rows] == [
        ("p0", 0, 3),
        ("p0", 1, 3),
        ("p1", 0, 3),
        ("p1", 1, 3),
    ]
    assert [r["audio"] for r in rows] == [0.5, None, None, 0.5]
    assert [r["unscored_reason"] for r in rows] == [None, None, "timeout", None]
    assert [r["generate_s"] for r in rows] == [2.0] * 4  # 8 s / 4 completions
    assert batch.ledger.num_unscored_rollouts(4) == 1
    assert batch.ledger.num_unscored_rollouts(3) == 0
