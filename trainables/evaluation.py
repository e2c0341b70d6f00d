"""The held-out evaluation: the same vibes, decoding noise and scorer for every trial of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.constrained import ContractGrammar
from trainables.digest import Evaluation, score_beside, score_held_out
from trainables.guards import memory_explained
from trainables.ledger_writer import Completion
from trainables.sampling import sample_completions, stream_seed
from trainables.workers import everyones, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.ledger import Split
    from common.objective import ObjectiveConfig
    from rewards.scorer import Scorer
    from trainables.chat import PromptFormat
    from trainables.data import VibeRow
    from trainables.ledger_writer import LedgerWriter
    from trainables.policy import Policy

__all__ = ["HeldOut"]


@dataclass(frozen=True)
class HeldOut:
    """The evaluation of one trial: everything about it that stays the same from step to step."""

    vibes: Sequence[VibeRow]
    objective: ObjectiveConfig
    scorer: Scorer
    form: PromptFormat
    ledger: LedgerWriter

    def evaluate(self, policy: Policy, step: int) -> Evaluation:
        """Sample, score, write the rows into the ledger, and digest them.

        Raises:
            TrialError: too many completions could not be scored, or the objective is not finite.
        """
        settings = self.objective
        asked = [(vibe, sample) for vibe in self.vibes for sample in range(settings.samples)]
        greedy = constrained = None
        # These before the evaluation that is waited for: where that is written, all are.
        if settings.greedy:
            completions = self._decode(policy, step, [(vibe, 0) for vibe in self.vibes], None)
            greedy = self._worth_beside("held_out_greedy", completions, step)
        if settings.constrained:
            completions = self._decode(policy, step, asked, settings.decoding_seed, ContractGrammar(policy))
            constrained = self._worth_beside("held_out_constrained", completions, step)
        completions = self._decode(policy, step, asked, settings.decoding_seed)
        evaluation = score_held_out(completions, settings, self.scorer, self.ledger, step)
        return evaluation._replace(greedy_objective=greedy, constrained_objective=constrained)

    def _worth_beside(self, split: Split, completions: Sequence[Completion], step: int) -> float | None:
        return score_beside(completions, split, self.objective, self.scorer, self.ledger, step=step)

    def _decode(
        self,
        policy: Policy,
        step: int,
        asked: Sequence[tuple[VibeRow, int]],
        decoding_seed: int | None,
        grammar: ContractGrammar | None = None,
    ) -> list[Completion]:
        """A completion for each (vibe, sample); greedily without a seed. Workers share the work."""
        mine = share(asked)
        seeds = None
        if decoding_seed is not None:
            seeds = [stream_seed(decoding_seed, vibe.prompt_id, sample) for vibe, sample in mine]
        with memory_explained(f"step {step}, evaluating", "lower objective.batch_size"):
            sampled = sample_completions(
                policy,
                [self.form.token_ids(vibe.prompt) for vibe, _ in mine],
                seeds,
                temperature=self.objective.temperature,
                max_completion_length=self.objective.max_completion_length,
                batch_size=self.objective.batch_size,
                grammar=grammar,
            )
        noise = -1 if decoding_seed is None else decoding_seed
        return everyones(
            [
                Completion(vibe.prompt_id, sample, noise, vibe.reference, *drawn)
                for (vibe, sample), drawn in zip(mine, sampled, strict=True)
            ]
        )
