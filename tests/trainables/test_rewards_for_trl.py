"""The three reward functions over one scored batch, with TRL's meaning of None."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from trl.trainer.utils import get_callable_name

from common.reward_config import RewardConfig, RewardWeights
from rewards.components import Components
from trainables.ledger_writer import LedgerWriter
from trainables.rewards_trl import RewardBatch, reward_functions

SCORED = Components(format=1.0, schema=0.75, audio=0.5, renderable=True)
NOT_RENDERABLE = Components(format=0.0, schema=0.25, audio=None, renderable=False)
UNSCORED = Components.missing("timeout")


class Canned:
    """Answers with what it was given, and counts its calls."""

    scorer_id = "canned"
    renderer_id = "none"

    def __init__(self, *components):
        self.components = list(components)
        self.calls = 0

    def score(self, vibes, completions):
        self.calls += 1
        return self.components


@pytest.fixture
def make_batch(make_spec):
    def make(scorer, **reward):
        return RewardBatch(scorer, LedgerWriter(make_spec()), RewardConfig(**reward), num_rollouts=1000)

    return make


def call(functions, texts, step=3):
    """As TRL calls them: one after the other, with the same list."""
    arguments = {
        "reference": [f"vibe {i // 2}" for i in range(len(texts))],
        "prompt_id": [f"p{i // 2}" for i in range(len(texts))],
        "trainer_state": SimpleNamespace(global_step=step),
        "log_metric": None,
    }
    return {f.component: f(["p"] * len(texts), texts, [[1]] * len(texts), **arguments) for f in functions}


def test_an_unscored_completion_is_none_in_every_function_and_silence_gets_the_floor(make_batch):
    scorer = Canned(SCORED, NOT_RENDERABLE, UNSCORED)
    functions, weights = reward_functions(make_batch(scorer, audio_floor=-2))
    assert call(functions, ["a", "b", "c"]) == {
        "format": [1.0, 0.0, None],
        "schema": [0.75, 0.25, None],
        "audio": [0.5, -2.0, None],
    }
    assert weights == [0.2, 0.3, 0.5]
    assert scorer.calls == 1


def test_equal_texts_of_another_batch_are_scored_again(make_batch):
    scorer = Canned(SCORED)
    functions, _ = reward_functions(make_batch(scorer))
    call(functions, ["a"])
    call(functions, ["a"])
    assert scorer.calls == 2


def test_without_audio_there_is_no_audio_function(make_batch):
    weights = RewardWeights(format_weight=0.1, schema_weight=0.4, audio_weight=0.5)
    functions, given = reward_functions(make_batch(Canned(), reward_type="schema_only", weights=weights))
    assert [f.component for f in functions] == ["format", "schema"]
    assert given == [0.1, 0.4]


def test_trl_names_the_functions_by_their_component_and_they_pickle(make_batch):
    functions, _ = reward_functions(make_batch(Canned(SCORED)))
    assert [get_callable_name(f) for f in functions] == ["format", "schema", "audio"]
    assert call(pickle.loads(pickle.dumps(functions)), ["a"])["schema"] == [0.75]


def test_rollouts_go_to_the_ledger_with_their_place_in_the_group(make_batch, tmp_path):
    batch = make_batch(Canned(SCORED, NOT_RENDERABLE, UNSCORED, SCORED))
    batch.expect(8.0)
    functions, _ = reward_functions(batch)
    call(functions, ["a", "b", "c", "d"])
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
