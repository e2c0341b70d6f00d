"""`vibesweep score PAIRS.jsonl OUT.parquet`: the components and the reward of every line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from common.errors import RewardError, UserError
from common.music_schema import config_hash
from vibesweep.pairs import read_pairs
from vibesweep.progress import progress
from vibesweep.scorers import audio_backend_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from common.reward_config import RewardConfig
    from rewards import Scorer
    from rewards.score_table import ScoreRow, ScoreTable
    from vibesweep.pairs import Pair, PairFile

__all__ = ["score_file"]


def score_file(
    path: Path,
    out: Path,
    settings: RewardConfig,
    batch: int,
    *,
    scorers: int = 0,
    gpus_per_scorer: float = 0.0,
) -> None:
    """Score the lines that the table lacks, and put it together.

    Args:
        path: JSONL file of pairs.
        out: Parquet file, one row for each line.
        settings: scorer, weights and floor.
        batch: lines that are scored and kept together; no score depends on it.
        scorers: Ray actors that score them; 0 for this process.
        gpus_per_scorer: of each actor.

    Raises:
        UserError: a file that cannot be read or written, or an OUT of something else.
        ProblemsError: broken lines; nothing was scored.
        RewardError: lines that could not be scored; the others are in OUT.
        ClusterError: Ray or the scorers do not start.
    """
    if out.suffix.lower() != ".parquet" or out.is_dir():
        raise UserError(f"OUT must be a file that ends in .parquet, got {str(out)!r}; name one")
    if not out.parent.is_dir():
        raise UserError(f"OUT must lie in an existing folder, got {str(out)!r}; make {out.parent}")
    pairs = read_pairs(path)
    # torch and transformers take seconds to import; the refusals above do not need them.
    from rewards import Scorer  # noqa: PLC0415
    from rewards.score_table import ScoreIdentity, ScoreTable  # noqa: PLC0415

    with audio_backend_of(
        settings.clap, scorers=scorers, gpus_per_scorer=gpus_per_scorer, batch=batch
    ) as backend:
        scorer = Scorer(backend)
        identity = ScoreIdentity(
            input_sha256=pairs.sha256,
            scorer_id=scorer.scorer_id,
            renderer_id=scorer.renderer_id,
            weights=settings.weights,
            audio_floor=settings.audio_floor,
        )
        table = ScoreTable(out, identity)
        with table.claimed():
            there = table.scored()
            wanted = set(pairs.lines) - there
            _score_missing(pairs, wanted, batch, table, lambda some: _rows(some, scorer, settings))
            reasons = table.finish(pairs.lines)["unscored_reason"].to_pylist()
    kept = f", {len(there)} already there" if there else ""
    missing = [
        (line, reason) for line, reason in zip(pairs.lines, reasons, strict=True) if reason is not None
    ]
    print(
        f"{out}: {len(wanted) - len(missing)} lines scored{kept}; "
        f"scorer {scorer.scorer_id}, renderer {scorer.renderer_id}"
    )
    if missing:
        raise RewardError(
            f"{len(missing)} of {len(pairs.lines)} lines are unscored, the first of them line "
            f"{missing[0][0]}: {missing[0][1]}; the same command tries them again"
        )


def _score_missing(
    pairs: PairFile,
    wanted: set[int],
    batch: int,
    table: ScoreTable,
    rows_of: Callable[[Sequence[Pair]], list[ScoreRow]],
) -> None:
    """Score the wanted lines and keep them batch by batch; say what is kept if Ctrl-C ends it."""
    try:
        with progress(len(pairs.lines), "lines", done=len(pairs.lines) - len(wanted)) as advance:
            for some in pairs.batches(wanted, batch):
                table.write(rows_of(some))
                advance(len(some))
    except KeyboardInterrupt:
        kept = f"{len(table.scored())} of {len(pairs.lines)} lines are kept"
        print(f"{kept} (they are written {batch} at a time); the same command goes on", file=sys.stderr)
        raise


def _rows(pairs: Sequence[Pair], scorer: Scorer, settings: RewardConfig) -> list[ScoreRow]:
    from rewards import first_json_object, renderable_config, weighted_reward  # noqa: PLC0415
    from rewards.score_table import ScoreRow  # noqa: PLC0415

    components = scorer.score([pair.vibe for pair in pairs], [pair.completion for pair in pairs])
    rows = []
    for pair, scores in zip(pairs, components, strict=True):
        music = renderable_config(first_json_object(pair.completion)[0])  # unscored lines have theirs too
        heard = scores.heard
        rows.append(
            ScoreRow(
                line=pair.line,
                vibe=pair.vibe,
                config_hash=config_hash(music) if music else None,
                format=scores.format,
                schema=scores.schema,
                audio=scores.audio,
                renderable=scores.renderable,
                reward=weighted_reward(scores, settings.weights, settings.audio_floor),
                similarity=heard and heard.similarity,
                level_db=heard and heard.level_db,
                clipped=heard and heard.clipped,
                flatness=heard and heard.flatness,
                unscored_reason=scores.unscored,
                scorer_id=scorer.scorer_id,
                renderer_id=scorer.renderer_id,
            )
        )
    return rows
