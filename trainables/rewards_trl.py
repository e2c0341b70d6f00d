"""The reward components as TRL reward functions: three callables over one scored batch.

TRL calls one function after the other with the same completions. The first call scores the batch,
writes it to the ledger and keeps the result; the others read it.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from common.errors import TrialError
from common.reward_config import COMPONENTS, Component
from rewards.weighting import weighted_reward
from trainables.ledger_writer import Completion
from trainables.workers import everyones, first_does, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import TrainerState

    from common.reward_config import RewardConfig
    from rewards.components import Components
    from rewards.scorer import Scorer
    from trainables.ledger_writer import LedgerWriter

_LARGEST: Final = 1e18
"""Rewards are standardized in float32, where the square of a number above 1.8e19 is infinite."""

__all__ = ["ComponentReward", "RewardBatch", "reward_functions"]


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

    def expect(self, generate_s: float) -> None:
        """Take the seconds that the trainer took to generate the batch that comes next."""
        self._generate_s = generate_s

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
                (name, vibe, text if isinstance(text, str) else text[0]["content"], len(ids), seconds_each)
                for name, vibe, text, ids in zip(
                    prompt_id, reference, completions, completion_ids, strict=True
                )
            ]
        )
        components = first_does(lambda: self._scored(rollouts, trainer_state.global_step))
        self._texts, self._components = completions, list(share(components))
        return self._components

    def _scored(self, rollouts: Sequence[tuple[str, str, str, int, float]], step: int) -> list[Components]:
        """The components of all workers' rollouts, which go into the ledger."""
        started = time.perf_counter()
        components = self.scorer.score(
            [vibe for _, vibe, *_ in rollouts], [text for _, _, text, *_ in rollouts]
        )
        seconds = time.perf_counter() - started
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
