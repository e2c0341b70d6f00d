"""What every step says of itself: variance shares, flat groups, and where its seconds went."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.reward_variance import reward_variance
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.grpo import VibeGRPOTrainer
from trainables.step_metrics import StepClock
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec


def scalars(folder: str, tag: str) -> dict[int, float]:
    events = EventAccumulator(folder)
    events.Reload()
    return {event.step: event.value for event in events.Scalars(tag)}


class Varied(Scorer):
    """Two components with spread, nothing for one completion, and one group of equals."""

    def __init__(self) -> None:
        super().__init__(None)

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        scores = [
            Components(float(len(text) % 2), sum(map(ord, text)) % 97 / 96, None, None)
            for text in completions
        ]
        scores[:2] = [scores[0]] * 2
        scores[-1] = Components.missing("a timeout")
        return scores


def test_the_shares_that_are_logged_follow_from_the_ledger(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    spec = make_spec(
        max_steps=2, batch__batch_size=8, grpo__num_generations=2, grpo__reward__max_unscored_share=1.0
    )
    run_trial(spec, Varied(), stub_scorer, lambda progress: None)

    weights = spec.config.grpo.reward.weights
    groups: dict[int, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for key, row in sorted(read_ledger(spec.directory).items()):
        if key.split == "train":
            parts = [np.nan if row[name] is None else row[name] for name in ("format", "schema")]
            groups[key.step][key.prompt_id].append(parts)
    assert sorted(groups) == [0, 1]
    for step, by_prompt in groups.items():
        expected = reward_variance(
            np.array(list(by_prompt.values())),
            np.array([weights.format_weight, weights.schema_weight]),
            "sum_then_normalize",
        )
        assert expected.shares is not None
        # Of 4 groups of 2, one has equal rewards and one a single score.
        assert expected.flat_groups >= 0.5
        # The log entry of step s + 1 describes the rollouts written after s steps.
        for name, share in zip(("format", "schema"), expected.shares, strict=True):
            assert scalars(spec.tensorboard, f"variance_share/{name}")[step + 1] == pytest.approx(
                share, abs=1e-5
            )
        assert scalars(spec.tensorboard, "train/flat_groups")[step + 1] == expected.flat_groups


def test_a_step_says_where_its_seconds_went(make_spec: Callable[..., TrialSpec], stub_scorer: Scorer) -> None:
    class Slow(Scorer):
        def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
            time.sleep(0.3)
            return stub_scorer.score(vibes, completions)

    # Batch 4 with 6 generations: one batch of rollouts for three steps.
    spec = make_spec(max_steps=3, grpo__num_generations=6)
    run_trial(spec, Slow(None), stub_scorer, lambda progress: None)
    score = scalars(spec.tensorboard, "seconds/score")
    assert score[1] >= 0.3
    assert (score[2], score[3]) == (0, 0)
    generate = scalars(spec.tensorboard, "seconds/generate")
    assert generate[1] > 0
    assert (generate[2], generate[3]) == (0, 0)
    assert all(seconds > 0 for seconds in scalars(spec.tensorboard, "seconds/update").values())
    # 12 completions of at most 12 tokens
    [(step, speed)] = scalars(spec.tensorboard, "train/tokens_per_s").items()
    assert step == 1
    assert 0 < speed * generate[1] <= 12 * 12 * 1.01
    assert set(scalars(spec.tensorboard, "train/clipped_share")) == {1, 2, 3}


def test_the_phases_of_a_step_add_up_to_it() -> None:
    metrics: dict[str, list[float]] = defaultdict(list)
    clock, nothing = StepClock(metrics), SimpleNamespace()
    started = time.perf_counter()
    clock.on_step_begin(nothing, nothing, nothing)
    with clock.phase("generate"):
        time.sleep(0.02)
    with clock.phase("score"):
        time.sleep(0.03)
    time.sleep(0.01)
    clock.on_step_end(nothing, nothing, nothing)
    elapsed = time.perf_counter() - started
    seconds = {name: value for name, [value] in metrics.items()}
    assert seconds["seconds/generate"] >= 0.02
    assert seconds["seconds/score"] >= 0.03
    assert seconds["seconds/update"] >= 0.01
    assert sum(seconds.values()) <= elapsed


class Elsewhere(Scorer):
    """Answers like another scorer, from other processes as it says, and only when it is let."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(None)
        self.scorer_id, self.is_remote = scorer.scorer_id, True
        self.scorer, self.may_answer = scorer, threading.Event()
        self.threads: list[str] = []

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        self.threads.append(threading.current_thread().name)
        if not self.may_answer.wait(timeout=30):
            raise TimeoutError("nothing else went on while the scores were waited for")
        self.may_answer.clear()
        return self.scorer.score(vibes, completions)


def test_scores_from_elsewhere_are_waited_for_after_the_reference_pass(
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = make_spec("here", max_steps=2, grpo__beta=0.1)
    run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)

    scorer = Elsewhere(stub_scorer)
    logps = VibeGRPOTrainer._get_per_token_logps_and_entropies

    def answer_after_the_pass(self: VibeGRPOTrainer, *args: Any, **kwargs: Any) -> Any:
        result = logps(self, *args, **kwargs)
        if not kwargs.get("compute_entropy"):  # the reference pass; the loss asks for entropies
            scorer.may_answer.set()
        return result

    monkeypatch.setattr(VibeGRPOTrainer, "_get_per_token_logps_and_entropies", answer_after_the_pass)
    overlapped = make_spec("elsewhere", max_steps=2, grpo__beta=0.1)
    run_trial(overlapped, scorer, stub_scorer, lambda progress: None)
    assert [name.startswith("scores") for name in scorer.threads] == [True, True]
    assert read_ledger(overlapped.directory) == read_ledger(spec.directory)
    assert not any(thread.name.startswith("scores") for thread in threading.enumerate())


def test_what_a_scorer_elsewhere_raises_ends_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    class Broken(Elsewhere):
        def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
            raise OSError("the pool is gone")

    with pytest.raises(OSError, match="the pool is gone"):
        run_trial(make_spec(), Broken(stub_scorer), stub_scorer, lambda progress: None)
