"""The generated corpus: seeded (vibe, payload) pairs on which the tiny policy and the tiny CLAP are trained.

python -m tiny.corpus --pairs 4000 --seed 0 --output corpus.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common.music_schema import TITLE_MAX_WORDS, MusicConfig, MusicConfigPayload
from tiny.fields import Distribution, field_distribution, ideal_overlap, sample_config
from tiny.lexicon import Lexicon, find_words, load_lexicon, normalize
from tiny.palettes import sample_palettes
from tiny.vibes import Split, load_vibes, sample_vibe

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "HAND_WRITTEN_SHARE",
    "HASTY_OPENING",
    "Distribution",
    "Lexicon",
    "Pair",
    "Split",
    "field_distribution",
    "find_words",
    "generate",
    "ideal_overlap",
    "load_lexicon",
    "load_vibes",
    "main",
    "payload_json",
    "sample_config",
    "sample_payload",
    "sample_vibe",
    "write_corpus",
]

HAND_WRITTEN_SHARE = 0.25
"""Share of the pairs whose vibe was written by hand (for training); the others are synthetic."""

HASTY_OPENING = "first idea:"
"""How the `thinking` of a hasty payload begins. Its config and colours do not look at the vibe."""


class Pair(NamedTuple):
    """One vibe and one payload that fits it."""

    vibe: str
    payload: MusicConfigPayload

    def row(self) -> dict[str, str]:
        """The pair as a data row: prompt, reference and response field."""
        return {
            "vibe_noisy": self.vibe,
            "vibe_original": self.vibe,
            "config_payload": payload_json(self.payload),
        }


_TEXTURES = {"none": "no texture", "shimmer": "shimmer", "shimmer_slow": "slow shimmer", "stars": "stars"}
_RHYTHMS = {"none": "no drums", "minimal": "minimal beat", "heartbeat": "heartbeat", "brush": "brush drums"}


def _thinking(config: MusicConfig, rng: random.Random) -> str:
    """What the config does, in 5 to 9 words: the fields that one hears first."""
    tempo = config.tempo.replace("_", " ")
    brightness = config.brightness.replace("_", " ")
    details = (
        f"{config.pad.replace('_', ' ')} pad",
        f"{config.bass.removesuffix('_bass').replace('_', ' ')} bass",
        _TEXTURES.get(config.texture, config.texture.replace("_", " ")),
        _RHYTHMS.get(config.rhythm, f"{config.rhythm.replace('_', ' ')} beat"),
    )
    return f"{tempo} and {brightness}, {config.space} space, {rng.choice(details)}"


def _title(vibe: str) -> str:
    """The vibe's first two words of the lexicon, or its first words where there is none."""
    words = [entry.text for entry in find_words(vibe)][:2]
    title = " ".join(" ".join(words or normalize(vibe).split()[:3]).split()[:TITLE_MAX_WORDS])
    return title[:60] or "untitled"


def sample_payload(vibe: str, rng: random.Random, *, hasty: bool = False) -> MusicConfigPayload:
    """Draw one valid payload for a vibe: its config, what to think and call it, and its colours.

    Args:
        vibe: any text; where the lexicon has none of its words, the config follows the prior.
        rng: the only source of chance.
        hasty: whether config and colours follow the prior whatever the vibe, and `thinking` says so.
    """
    entries = [] if hasty else find_words(vibe)
    config = sample_config(entries, rng)
    thinking = _thinking(config, rng)
    return MusicConfigPayload(
        thinking=f"{HASTY_OPENING} {thinking}" if hasty else thinking,
        title=_title(vibe),
        config=config,
        palettes=sample_palettes([entry.color for entry in entries], rng),
    )


def payload_json(payload: MusicConfigPayload) -> str:
    """The payload as the policy is to write it: the contract's field order, no white space between parts."""
    return json.dumps(payload.model_dump(mode="json"), separators=(",", ":"), ensure_ascii=False)


def generate(num_pairs: int, seed: int, *, hasty_share: float = 0.0) -> Iterator[Pair]:
    """Yield the corpus: same arguments, same pairs, and a longer corpus begins with a shorter one.

    HAND_WRITTEN_SHARE of the pairs take a vibe written by hand for training, the others a synthetic one. No
    vibe is a held-out one. Vibes recur (with other payloads), so that the policy sees that tastes differ.

    Args:
        num_pairs: >= 0.
        seed: any integer.
        hasty_share: share of the pairs with a hasty payload, in [0, 1].

    Raises:
        ValueError: num_pairs < 0, or a share out of bounds.
    """
    if not num_pairs >= 0:
        raise ValueError(f"num_pairs must be >= 0, got {num_pairs}")
    if not 0 <= hasty_share <= 1:
        raise ValueError(f"hasty_share must lie in [0, 1], got {hasty_share}")
    rng = random.Random(seed)
    hand_written = load_vibes("train")
    for _ in range(num_pairs):
        by_hand = rng.random() < HAND_WRITTEN_SHARE
        vibe = rng.choice(hand_written) if by_hand else sample_vibe(rng, "train")
        # No draw where nothing is hasty: the CLAP's corpus does not depend on how the policy's is made.
        hasty = hasty_share > 0 and rng.random() < hasty_share
        yield Pair(vibe, sample_payload(vibe, rng, hasty=hasty))


def write_corpus(path: Path, num_pairs: int, seed: int) -> None:
    """Write `generate`'s pairs as JSONL, one data row a line."""
    with path.open("w", encoding="utf-8") as file:
        for pair in generate(num_pairs, seed):
            file.write(json.dumps(pair.row(), ensure_ascii=False) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Command line: write a corpus."""
    parser = argparse.ArgumentParser(
        prog="python -m tiny.corpus", description="Write a corpus of pairs as JSONL."
    )
    parser.add_argument("--pairs", type=int, default=4000, help="number of pairs (default 4000)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same corpus (default 0)")
    parser.add_argument("--output", type=Path, required=True, help="JSONL file to write")
    args = parser.parse_args(argv)
    if not args.pairs >= 1:
        parser.error(f"--pairs must be >= 1, got {args.pairs}")
    if not args.output.parent.is_dir():
        parser.error(
            f"--output must lie in a folder that exists, got {args.output}; make {args.output.parent}"
        )
    write_corpus(args.output, args.pairs, args.seed)
    print(f"wrote {args.pairs} pairs to {args.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
