"""The generated corpus: the lexicon, the vibes written by hand, and the pairs drawn from them."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from common.music_schema import CONFIG_LABELS, MusicConfig, MusicConfigPayload
from tiny.corpus import HASTY_OPENING, generate, main, payload_json, sample_payload
from tiny.fields import COUPLINGS, PULL, field_distribution, ideal_overlap, sample_config
from tiny.lexicon import find_words, load_lexicon, normalize
from tiny.palettes import COLORS
from tiny.vibes import VIBE_PATHS, load_vibes, sample_vibe

if TYPE_CHECKING:
    from pathlib import Path

BROAD_FIELDS = (
    "tempo",
    "mode",
    "brightness",
    "space",
    "density",
    "bass",
    "pad",
    "melody",
    "rhythm",
    "texture",
    "accent",
    "motion",
    "attack",
    "stereo",
    "depth",
    "echo",
    "human",
    "grain",
    "harmony_style",
    "melody_density",
)

DARK = {"dark", "very_dark"}


def _words(vibe: str) -> list[str]:
    return [entry.text for entry in find_words(vibe)]


def test_the_lexicon_has_at_least_420_entries_with_2_to_6_pulls_each() -> None:
    entries = load_lexicon().entries
    assert len(entries) >= 420
    assert {entry.text: len(entry.pulls) for entry in entries if not 2 <= len(entry.pulls) <= 6} == {}


def test_every_label_of_the_broad_fields_is_pulled_by_at_least_four_entries() -> None:
    counts = Counter(pull for entry in load_lexicon().entries for pull in entry.pulls.items())
    rare = [
        (name, label) for name in BROAD_FIELDS for label in CONFIG_LABELS[name] if counts[name, label] < 4
    ]
    assert rare == []


def test_every_field_of_the_contract_is_pulled_by_some_entry() -> None:
    assert {name for entry in load_lexicon().entries for name in entry.pulls} == set(CONFIG_LABELS)


def test_words_of_darkness_never_pull_bright_or_major() -> None:
    dark = [entry for entry in load_lexicon().entries if entry.pulls.get("brightness") in DARK]
    assert [entry.text for entry in dark if entry.pulls.get("mode") == "major"] == []
    assert [entry.text for entry in dark if entry.pulls.get("pad") == "bright_open"] == []


def test_a_lexicon_with_an_unknown_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.yaml"
    path.write_text("place:\n  shed: {space: gigantic, mode: major, color: earth}\n")
    with pytest.raises(ValueError, match=r"place\.shed pulls space to 'gigantic', must be one of \['dry'"):
        load_lexicon(path)


def test_the_longest_phrase_matches_first() -> None:
    assert _words("Late night in the deep forest, night.") == ["late night", "deep forest", "night"]


def test_plurals_match_but_rocks_are_not_rock() -> None:
    assert _words("black rocks below old cathedrals") == ["old", "cathedral"]


def test_a_vibe_without_a_word_of_the_lexicon_has_no_match() -> None:
    assert _words("qwerty 123") == []


@pytest.mark.parametrize(("split", "at_least"), [("train", 330), ("held_out", 110)])
def test_each_split_has_its_hand_written_vibes_as_prompt_and_reference(split: str, at_least: int) -> None:
    path = {str(name): path for name, path in VIBE_PATHS.items()}[split]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= at_least
    assert [row for row in rows if list(row) != ["vibe_noisy", "vibe_original"]] == []
    assert [row for row in rows if row["vibe_noisy"] != row["vibe_original"]] == []


def test_no_vibe_is_written_twice_or_shared_by_the_splits() -> None:
    keys = [normalize(vibe) for vibe in (*load_vibes("train"), *load_vibes("held_out"))]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_every_hand_written_vibe_has_a_word_of_the_lexicon_and_two_on_average() -> None:
    for vibes in (load_vibes("train"), load_vibes("held_out")):
        matches = [len(find_words(vibe)) for vibe in vibes]
        assert [vibe for vibe, count in zip(vibes, matches, strict=True) if count == 0] == []
        assert sum(matches) / len(matches) >= 2.0


def test_one_word_makes_its_label_likely_and_two_that_disagree_share() -> None:
    # The prior of space is 1, 2, 4, 2, 1 over 10; PULL is 4. One word: (0.1 + 4) / 5 = 0.82.
    assert PULL == 4.0
    alone = field_distribution("cathedral")["space"]
    assert alone["vast"] == pytest.approx(0.82, abs=1e-12)
    # Cathedral and cafe: vast (0.1 + 4) / 9, small (0.2 + 4) / 9.
    both = field_distribution("a cafe in a cathedral")["space"]
    assert both["vast"] == pytest.approx(4.1 / 9, abs=1e-12)
    assert both["small"] == pytest.approx(4.2 / 9, abs=1e-12)


def test_darkness_makes_minor_likelier_where_no_word_says_the_mode() -> None:
    assert "mode" not in load_lexicon().by_tokens["dim",].pulls
    assert field_distribution("dim")["mode"]["minor"] > field_distribution("")["mode"]["minor"]


def test_every_coupling_names_labels_of_the_contract() -> None:
    for coupling in COUPLINGS:
        assert coupling.label in CONFIG_LABELS[coupling.field]
        assert coupling.then_label in CONFIG_LABELS[coupling.then_field]


@pytest.mark.parametrize(
    "vibe", ["", "cathedral", "pitch black abyss, heaven and angels", "a dungeon violin"]
)
def test_a_distribution_covers_every_label_and_sums_to_one(vibe: str) -> None:
    table = field_distribution(vibe)
    assert list(table) == list(CONFIG_LABELS)
    for name, weights in table.items():
        assert tuple(weights) == CONFIG_LABELS[name]
        assert min(weights.values()) > 0.0
        assert sum(weights.values()) == pytest.approx(1.0, abs=1e-12)


def test_cathedral_is_vast_about_as_often_as_its_distribution_says() -> None:
    rng = random.Random(0)
    vast = sum(sample_config("cathedral", rng).space == "vast" for _ in range(1000))
    assert abs(vast / 1000 - 0.82) < 0.04  # three standard deviations: 3 * sqrt(0.82 * 0.18 / 1000) = 0.036


def test_registers_are_ordered_even_where_words_pull_them_apart() -> None:
    rng = random.Random(0)
    # wind chimes pull the lower register to 6, the abyss pulls the higher to 3.
    configs = [sample_config("wind chimes over the abyss", rng) for _ in range(300)]
    assert [config for config in configs if config.register_min_oct > config.register_max_oct] == []


def test_the_overlap_is_the_share_of_pulled_fields_that_agree() -> None:
    entry = load_lexicon().by_tokens["dim",]
    config = sample_config("dim", random.Random(0))
    fitting = MusicConfig.model_validate({**config.model_dump(), **entry.pulls})
    assert ideal_overlap("dim", fitting) == 1.0
    wrong = MusicConfig.model_validate({**fitting.model_dump(), "brightness": "very_bright"})
    assert ideal_overlap("dim", wrong) == 1.0 - 1.0 / len(entry.pulls)


def test_the_overlap_of_a_vibe_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a word of the lexicon, got 'qwerty'"):
        ideal_overlap("qwerty", sample_config("", random.Random(0)))


def test_payloads_fit_their_own_vibe_and_not_the_next_one() -> None:
    pairs = list(generate(400, seed=1))
    own = sum(ideal_overlap(pair.vibe, pair.payload.config) for pair in pairs) / len(pairs)
    other = sum(
        ideal_overlap(pair.vibe, pairs[index - 1].payload.config) for index, pair in enumerate(pairs)
    ) / len(pairs)
    assert own > 0.8
    assert other < 0.3


def test_the_same_seed_makes_the_same_corpus_and_another_seed_another() -> None:
    assert list(generate(50, seed=7)) == list(generate(50, seed=7))
    assert list(generate(80, seed=7))[:50] == list(generate(50, seed=7))
    assert list(generate(50, seed=7)) != list(generate(50, seed=8))


def test_a_negative_number_of_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="num_pairs must be >= 0, got -1"):
        next(generate(-1, seed=0))


def test_hasty_payloads_do_not_look_at_the_vibe_and_say_so() -> None:
    pairs = list(generate(800, seed=1, hasty_share=0.5))
    by_kind: dict[bool, list[float]] = {True: [], False: []}
    for pair in pairs:
        hasty = pair.payload.thinking.startswith(f"{HASTY_OPENING} ")
        by_kind[hasty].append(ideal_overlap(pair.vibe, pair.payload.config))
    assert 350 < len(by_kind[True]) < 450
    # As little as the payload of another vibe fits, and as well as ever.
    assert sum(by_kind[True]) / len(by_kind[True]) < 0.3
    assert sum(by_kind[False]) / len(by_kind[False]) > 0.8


def test_a_hasty_share_out_of_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hasty_share must lie in \[0, 1\], got 1.5"):
        next(generate(1, seed=0, hasty_share=1.5))


def test_the_corpus_has_no_held_out_vibe_and_some_written_by_hand() -> None:
    keys = {normalize(pair.vibe) for pair in generate(1500, seed=2)}
    assert keys & {normalize(vibe) for vibe in load_vibes("held_out")} == set()
    assert len(keys & {normalize(vibe) for vibe in load_vibes("train")}) > 200


def test_synthetic_vibes_have_words_of_the_lexicon_and_all_slots_filled() -> None:
    rng = random.Random(3)
    vibes = [sample_vibe(rng) for _ in range(500)]
    assert [vibe for vibe in vibes if "{" in vibe or not find_words(vibe)] == []
    assert len(set(vibes)) > 450


def test_the_payload_text_is_compact_in_contract_order_and_reads_back_equal() -> None:
    for pair in generate(60, seed=4):
        text = payload_json(pair.payload)
        assert MusicConfigPayload.model_validate_json(text) == pair.payload
        data = json.loads(text)
        assert list(data) == ["thinking", "title", "config", "palettes"]
        assert list(data["config"]) == list(CONFIG_LABELS)
        assert json.dumps(data, separators=(",", ":"), ensure_ascii=False) == text


def test_thinking_is_short_and_colours_are_of_the_fixed_list() -> None:
    for pair in generate(100, seed=5):
        assert 4 <= len(pair.payload.thinking.split()) <= 10
        assert len({palette.model_dump_json() for palette in pair.payload.palettes}) == 3
        shades = {color.hex for palette in pair.payload.palettes for color in palette.colors}
        assert shades <= set(COLORS)


def test_a_title_is_made_of_the_words_of_the_vibe() -> None:
    rng = random.Random(0)
    assert sample_payload("late night neon glow", rng).title == "late night neon"
    assert sample_payload("qwerty asdf zxcv uiop", rng).title == "qwerty asdf zxcv"
    assert sample_payload("...", rng).title == "untitled"


def test_the_command_line_writes_the_generated_rows(tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    assert main(["--pairs", "5", "--seed", "9", "--output", str(output)]) == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert rows == [pair.row() for pair in generate(5, seed=9)]
    assert list(rows[0]) == ["vibe_noisy", "vibe_original", "config_payload"]


def test_the_shipped_sft_sample_is_what_the_generator_makes() -> None:
    # When the data changes: python -m tiny.corpus --pairs 200 --output tiny/data/sft_sample.jsonl
    path = VIBE_PATHS["train"].with_name("sft_sample.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows == [pair.row() for pair in generate(200, seed=0)]
