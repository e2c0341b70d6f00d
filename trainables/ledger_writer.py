"""One trial's rows on their way into the ledger: held out at once, rollouts with their checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow.parquet as pq

from common.ledger import LedgerRow, Split, write_part
from common.music_schema import canonical_json
from trainables.vibe_control import mismatched_similarities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.components import Components
    from rewards.scorer import Scorer
    from trainables.spec import TrialSpec

__all__ = ["Completion", "LedgerWriter"]


class Completion(NamedTuple):
    """One completion, before it is scored."""

    prompt_id: str
    sample: int
    decoding_seed: int
    vibe: str
    """The clean reference text."""
    text: str
    num_tokens: int
    generate_s: float


class LedgerWriter:
    """Writes `ledger/<split>-<step>.parquet`; a step done again replaces its part."""

    def __init__(self, spec: TrialSpec, prompt_hash: str = "") -> None:
        """
        Args:
            spec: the trial.
            prompt_hash: `PromptFormat.prompt_hash` of its policy; empty where no policy is asked.
        """
        self._spec = spec
        self._folder = Path(spec.directory) / "ledger"
        self._prompt_hash = prompt_hash
        self._rollouts: list[LedgerRow] = []

    def rows(
        self,
        split: Split,
        step: int,
        completions: Sequence[Completion],
        components: Sequence[Components],
        *,
        score_s: float,
        scorer: Scorer,
    ) -> list[LedgerRow]:
        """The completions with their scores as ledger rows.

        Args:
            split: train for rollouts; the others for evaluations.
            step: optimizer steps taken when they were written.
            completions: the scored batch.
            components: their scores, in the same order.
            score_s: seconds that scoring the batch took.
            scorer: what scored them.
        """
        spec = self._spec
        heard = [score.heard for score in components]
        # Rollouts of one batch share a few vibes; only an evaluation has the same ones every time.
        others: Sequence[float | None] = [None] * len(components)
        if split == "held_out":
            others = mismatched_similarities([completion.vibe for completion in completions], heard)
        return [
            LedgerRow(
                sweep=spec.sweep,
                kind=spec.kind,
                trial_id=spec.trial_id,
                config_hash=spec.config_hash,
                seed=spec.config.seed,
                step=step,
                split=split,
                prompt_id=completion.prompt_id,
                sample=completion.sample,
                decoding_seed=completion.decoding_seed,
                vibe=completion.vibe,
                completion=completion.text,
                format=score.format,
                schema=score.schema,
                audio=score.audio,
                renderable=score.renderable,
                unscored_reason=score.unscored,
                num_tokens=completion.num_tokens,
                generate_s=completion.generate_s,
                score_s=score_s / len(completions),
                scorer_id=scorer.scorer_id,
                renderer_id=scorer.renderer_id,
                prompt_hash=self._prompt_hash,
                off_policy_depth=spec.config.off_policy_depth,
                similarity=score.heard and score.heard.similarity,
                mismatched=mismatched,
                level_db=score.heard and score.heard.level_db,
                clipped=score.heard and score.heard.clipped,
                flatness=score.heard and score.heard.flatness,
                music_config=None if score.config is None else canonical_json(score.config),
                eval_clap_similarity=score.heard_again,
                eval_clap_id=scorer.second_id,
            )
            for completion, score, mismatched in zip(completions, components, others, strict=True)
        ]

    def write_held_out(self, step: int, rows: Sequence[LedgerRow]) -> None:
        """Write one evaluation."""
        write_part(self._part("held-out", step), rows)

    def write_beside(self, split: Split, step: int, rows: Sequence[LedgerRow]) -> None:
        """Write another decoding of one evaluation, under a name that no evaluation has."""
        write_part(self._part(split.removeprefix("held_out_"), step), rows)

    def held_out(self, step: int) -> list[LedgerRow]:
        """The rows of the evaluation at a step; none where it was not written."""
        if not self.has_held_out(step):
            return []
        return [LedgerRow(**row) for row in pq.read_table(self._part("held-out", step)).to_pylist()]

    def has_held_out(self, step: int) -> bool:
        """Whether the evaluation at a step has been written."""
        return self._part("held-out", step).is_file()

    def add_rollouts(self, rows: Sequence[LedgerRow]) -> None:
        """Keep rollouts until the next `write_rollouts`."""
        self._rollouts += rows

    def write_rollouts(self, step: int) -> None:
        """Write the rollouts since the last call; they fed the optimizer steps up to `step`.

        Called before the checkpoint of `step` becomes visible: what a checkpoint has seen is in the
        ledger, and what it has not seen leaves it by `cut_after` and is done again.
        """
        if self._rollouts:
            write_part(self._part("train", step), self._rollouts)
            self._rollouts = []

    def cut_after(self, step: int) -> None:
        """Remove what was written after the checkpoint at `step`; 0 is the beginning."""
        for part in self._folder.glob("*.parquet"):
            if _step(part) > step:
                part.unlink()
        for unfinished in self._folder.glob("*.tmp*"):
            unfinished.unlink()

    def num_unscored_rollouts(self, step: int) -> int:
        """Unscored rollouts in the parts up to the checkpoint at `step`."""
        parts = [part for part in self._folder.glob("train-*.parquet") if _step(part) <= step]
        reasons = (pq.read_table(part, columns=["unscored_reason"])["unscored_reason"] for part in parts)
        return sum(len(column) - column.null_count for column in reasons)

    def _part(self, name: str, step: int) -> Path:
        return self._folder / f"{name}-{step:06d}.parquet"


def _step(part: Path) -> int:
    return int(part.stem.rpartition("-")[2])
