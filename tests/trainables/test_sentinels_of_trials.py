"""Sentinels on their way from the scorer to the ledger, TensorBoard and the stopper."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.errors import TrialError
from common.music_schema import canonical_json
from common.random_configs import random_config
from common.records import ResultRecord
from common.sentinels import SentinelConfig
from rewards import Components, Heard, Scorer
from rewards.embeddings import normalized
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec

CONFIG = random_config(random.Random(0))


class OneConfig(Scorer):
    """As if the policy wrote one config for every vibe; the vibes are told apart by their letters."""

    def __init__(self) -> None:
        super().__init__(None)

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        return [
            Components(1.0, 1.0, 0.5, renderable=True, heard=self._heard(vibe), config=CONFIG)
            for vibe in vibes
        ]

    @staticmethod
    def _heard(vibe: str) -> Heard:
        letters = [vibe.count(letter) for letter in "aeiou"]
        return Heard(normalized([1, 0, 0, 0, 0]), normalized(letters), -20.0, 0.25, 0.1)


def quiet(progress: Progress) -> None:
    """A report to nobody."""


@pytest.fixture
def judged(make_spec: Callable[..., TrialSpec]) -> Callable[..., TrialSpec]:
    """A trial of two steps whose few completions are judged."""

    def make(**rules: object) -> TrialSpec:
        spec = make_spec(max_steps=2)
        sentinels = SentinelConfig.model_validate({"min_heard": 2} | rules)
        return replace(spec, objective=spec.objective.model_copy(update={"sentinels": sentinels}))

    return make


def test_the_ledger_has_what_was_heard(judged: Callable[..., TrialSpec], read_ledger: ReadLedger) -> None:
    spec = judged()
    run_trial(spec, OneConfig(), OneConfig(), quiet)
    rows = read_ledger(spec.directory)
    held_out = [row for key, row in rows.items() if key.split == "held_out"]
    assert {row["level_db"] for row in rows.values()} == {-20.0}
    assert {row["clipped"] for row in rows.values()} == {0.25}
    assert {row["flatness"] for row in rows.values()} == {0.1}
    assert {row["music_config"] for row in rows.values()} == {canonical_json(CONFIG)}
    assert all(row["mismatched"] is None for key, row in rows.items() if key.split == "train")
    by_vibe = {row["vibe"]: row["similarity"] for row in held_out}
    assert len(by_vibe) == 3
    for row in held_out:
        others = [value for vibe, value in by_vibe.items() if vibe != row["vibe"]]
        assert row["mismatched"] == pytest.approx(sum(others) / 2)


def test_tensorboard_has_every_sentinel(judged: Callable[..., TrialSpec]) -> None:
    spec = judged()
    run_trial(spec, OneConfig(), OneConfig(), quiet)
    events = EventAccumulator(spec.tensorboard)
    events.Reload()

    def last(tag: str) -> float:
        return float(events.Scalars(tag)[-1].value)

    assert last("sentinels/vibe_margin") == pytest.approx(0, abs=1e-6)
    # 3 vibes with 2 samples, all alike
    assert last("sentinels/distinct_share") == pytest.approx(1 / 6)
    assert last("sentinels/clipped_share") == 1
    assert last("sentinels/silent_share") == 0
    assert last("sentinels/infeasible") == 1
    assert last("entropy/tempo") == last("sentinels/mean_entropy") == 0
    assert [event.step for event in events.Scalars("sentinels/infeasible")] == [0, 2]


class Improving(OneConfig):
    """Scorer and second checkpoint: the first hears more from one evaluation to the next, the second less."""

    def __init__(self) -> None:
        super().__init__()
        self.second_id = "second"
        self.evaluations = 0

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        self.evaluations += 1
        sine = 0.1 * self.evaluations
        heard = Heard(normalized([sine, (1 - sine**2) ** 0.5]), normalized([1.0, 0.0]), -20.0, 0.0, 0.1)
        return [
            Components(
                1.0, 1.0, 0.5, renderable=True, heard=heard,
                heard_again=0.5 - 0.1 * self.evaluations + 0.01 * number, config=CONFIG,
            )
            for number in range(len(vibes))
        ]  # fmt: skip


def test_a_second_checkpoint_is_in_the_ledger_the_outcome_and_tensorboard(
    judged: Callable[..., TrialSpec], read_ledger: ReadLedger
) -> None:
    spec = judged()
    result = run_trial(spec, OneConfig(), Improving(), quiet)
    # Evaluated at steps 0 and 2: cosines of 0.1 and 0.2, and 0.4 and 0.3 by the second, up to what varies.
    assert (result.clap_gain, result.eval_clap_gain) == pytest.approx((0.1, -0.1))
    assert run_trial(spec, OneConfig(), Improving(), quiet) == result
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert (stored.clap_gain, stored.eval_clap_gain) == (result.clap_gain, result.eval_clap_gain)
    rows = read_ledger(spec.directory)
    last = [row for key, row in rows.items() if (key.split, key.step) == ("held_out", 2)]
    assert sorted(row["eval_clap_similarity"] for row in last) == pytest.approx(
        [0.3, 0.31, 0.32, 0.33, 0.34, 0.35]
    )
    assert {row["eval_clap_id"] for row in last} == {"second"}
    assert {row["eval_clap_similarity"] for key, row in rows.items() if key.split == "train"} == {None}
    events = EventAccumulator(spec.tensorboard)
    events.Reload()
    curve = [event.value for event in events.Scalars("sentinels/eval_clap_similarity")]
    assert curve == pytest.approx([0.425, 0.325])
    # The scorer hears all alike, so there is nothing to correlate.
    assert "sentinels/eval_clap_correlation" not in events.Tags()["scalars"]


def test_without_a_second_checkpoint_there_are_no_gains(judged: Callable[..., TrialSpec]) -> None:
    result = run_trial(judged(), OneConfig(), OneConfig(), quiet)
    assert (result.clap_gain, result.eval_clap_gain) == (None, None)


def test_an_infeasible_trial_ends_like_any_other(judged: Callable[..., TrialSpec]) -> None:
    spec = judged()
    run_trial(spec, OneConfig(), OneConfig(), quiet)
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert stored.status == "finished"


def test_the_stopper_fails_a_trial_that_cheats(judged: Callable[..., TrialSpec]) -> None:
    spec = judged(stop=True)
    # The untrained policy is no reason: it learned nothing from the scorer.
    with pytest.raises(TrialError, match=r"step 2: stopped by objective.sentinels, because its sound fits"):
        run_trial(spec, OneConfig(), OneConfig(), quiet)
    result = json.loads((Path(spec.directory) / "result.json").read_text())
    assert result["status"] == "failed"
    assert "only 17% of its configs are distinct" in result["reason"]
