"""The reward components as TRL reward functions: three callables over one scored batch.

TRL calls one function after the other with the same completions. The first call takes the batch's scores,
writes them to the ledger and keeps them; the others read them.

Scoring begins before TRL asks for rewards, as soon as the completions are there, if it happens in other
processes: in a pool's actors it goes on while this process computes the log-probabilities of the old policy
(rollouts that feed several steps) and of the reference (beta > 0), and the first reward function waits for
what is left. TRL's own asynchronous reward functions do not give that: it starts them only after both passes,
and waits for them at once. A scorer in this process would take turns with the passes on the same cores, so
it is called when TRL asks.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from common.errors import TrialError
from common.reward_config import COMPONENTS, Component
from rewards.weighting import weighted_reward
from trainables.ledger_writer import Completion
from trainables.workers import everyones, first_does, is_first, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import TrainerState

    from common.reward_config import RewardConfig
    from rewards.components import Components
    from rewards.scorer import Scorer
    from trainables.ledger_writer import LedgerWriter

__all__ = ["ComponentReward", "RewardBatch", "reward_functions"]

_LARGEST: Final = 1e18
"""Rewards are standardized in float32, where the square of a number above 1.8e19 is infinite."""


class _Rollout(NamedTuple):
    """A completion and what the ledger says of it."""

    prompt_id: str
    vibe: str
    text: str
    num_tokens: int
    generate_s: float


@dataclass
class RewardBatch:
    """Scores each batch of rollouts once."""

    scorer: Scorer
    ledger: LedgerWriter
    reward: RewardConfig
    num_rollouts: int
    """Rollouts of the whole trial; the share of unscored ones is counted over all of them."""
    num_unscored: int = 0
    _generate_s: float = 0.0
    _texts: Sequence[Any] | None = None
    _components: list[Components] = field(default_factory=list)
    _thread: ThreadPoolExecutor | None = None
    _pending: tuple[Sequence[Any], Future[tuple[list[Components], float]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread:
            # A trial that failed does not wait for scores that nobody needs.
            self._thread.shutdown(wait=kind is None, cancel_futures=True)

    def expect(self, generate_s: float, completions: Sequence[Any], reference: Sequence[str]) -> None:
        """Take the batch that rewards are asked for next, and begin to score it where that is done elsewhere.

        Args:
            generate_s: seconds that the trainer took to generate it.
            completions: as TRL hands them to the reward functions.
            reference: their vibes.
        """
        self._generate_s = generate_s
        if not self.scorer.is_remote:
            return
        pairs = everyones(list(zip(reference, map(_text, completions), strict=True)))
        if is_first():
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="scores")
            self._pending = (completions, self._thread.submit(self._scored, pairs))

    def components(
        self,
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        reference: Sequence[str],
        prompt_id: Sequence[str],
        trainer_state: TrainerState,
    ) -> list[Components]:
        """The batch's components, computed at the first call.

        Raises:
            TrialError: more completions are unscored than the trial may have.
        """
        if completions is self._texts:
            return self._components
        seconds_each = self._generate_s / len(completions)
        rollouts = everyones(
            [
                _Rollout(name, vibe, _text(completion), len(ids), seconds_each)
                for name, vibe, completion, ids in zip(
                    prompt_id, reference, completions, completion_ids, strict=True
                )
            ]
        )
        components = first_does(lambda: self._recorded(completions, rollouts, trainer_state.global_step))
        self._texts, self._components = completions, list(share(components))
        return self._components

    def _recorded(
        self, completions: Sequence[Any], rollouts: Sequence[_Rollout], step: int
    ) -> list[Components]:
        """The components of all workers' rollouts, which go into the ledger."""
        if self._pending and self._pending[0] is completions:
            components, seconds = self._pending[1].result()
        else:
            components, seconds = self._scored([(rollout.vibe, rollout.text) for rollout in rollouts])
        self._pending = None
        samples: Counter[str] = Counter()
        rows = []
        for name, vibe, text, num_tokens, generate_s in rollouts:
            rows.append(Completion(name, samples[name], -1, vibe, text, num_tokens, generate_s))
            samples[name] += 1
        self.ledger.add_rollouts(
            self.ledger.rows("train", step, rows, components, score_s=seconds, scorer=self.scorer)
        )
        self._count_unscored(components, step)
        self._check_size(components, step)
        return components

    def _scored(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[Components], float]:
        started = time.perf_counter()
        components = self.scorer.score([vibe for vibe, _ in pairs], [text for _, text in pairs])
        return components, time.perf_counter() - started

    def _count_unscored(self, components: Sequence[Components], step: int) -> None:
        reasons = [c.unscored for c in components if c.unscored is not None]
        self.num_unscored += len(reasons)
        if reasons and not self.num_unscored <= self.reward.max_unscored_share * self.num_rollouts:
            raise TrialError(
                f"step {step}: {self.num_unscored} rollouts are unscored, more than reward."
                f"max_unscored_share {self.reward.max_unscored_share} of the trial's {self.num_rollouts}; "
                f"latest reason: {reasons[-1]}"
            )

    def _check_size(self, components: Sequence[Components], step: int) -> None:
        """TRL would take a reward that overflows for a completion that was not scored, and learn on."""
        for score in components:
            value = weighted_reward(score, self.reward.weights, self.reward.audio_floor)
            if value is not None and not abs(value) <= _LARGEST:
                raise TrialError(
                    f"step {step}: the reward of a completion must be at most {_LARGEST:g} in size, got "
                    f"{value:g} (format {score.format}, schema {score.schema}, audio {score.audio}); see to "
                    "grpo.reward.weights and the scorer"
                )


def _text(completion: Any) -> str:
    """The text of a completion as TRL has it, which for a chat is a list of messages."""
    return str(completion if isinstance(completion, str) else completion[0]["content"])


@dataclass
class ComponentReward:
    """One component as a TRL reward function; TRL logs it under its name."""

    component: Component
    batch: RewardBatch

    @property
    def __name__(self) -> str:  # what TRL names a reward by
        return self.component

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        *,
        reference: Sequence[str],
        prompt_id: Sequence[str],
        trainer_state: TrainerState,
        **_: Any,
    ) -> list[float | None]:
        """The component of each completion: None where it is unscored, the floor where there is no audio."""
        batch = self.batch
        scores = batch.components(completions, completion_ids, reference, prompt_id, trainer_state)
        return [self._value(score) for score in scores]

    def _value(self, score: Components) -> float | None:
        # None in every function takes a completion out of its group; None in one alone would count as 0.
        if score.unscored is not None:
            return None
        if self.component == "audio" and score.audio is None:
            return self.batch.reward.audio_floor
        value: float | None = getattr(score, self.component)
        return value


def reward_functions(batch: RewardBatch) -> tuple[list[ComponentReward], list[float]]:
    """TRL's reward functions and their weights; `schema_only` has no audio."""
    weights = dict(zip(COMPONENTS, batch.reward.weights.as_tuple(), strict=True))
    if batch.reward.reward_type == "schema_only":
        del weights["audio"]
    return [ComponentReward(component, batch) for component in weights], list(weights.values())
