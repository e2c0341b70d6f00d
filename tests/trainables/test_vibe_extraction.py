"""Vibes from raw texts, by weights that were taught in the test to answer well and badly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from common.errors import ProblemsError
from tests.trainables.conftest import VIBES
from trainables.data import load_rows
from trainables.sft import run_sft
from trainables.vibe_extraction import ExtractionSettings, VibeExtractor, broken_rule, raw_texts
from trainables.vibe_file import ExtractionIdentity, ExtractionRecord, VibeFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from common.training_config import TrainingConfig

GOOD, BAD = "slow harbour at night", "Slow: harbour"
TEXTS = raw_texts((f"{number}.txt", vibe) for number, vibe in enumerate(VIBES[:7]))


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("slow rain", None),
        ("summer's end, 3 a.m. - cold & bright", None),
        ("späte straßen im regen", None),
        ("a b c d e f g h i j k l", None),
        ("", "empty"),
        ("slow rain\nneon", "more than one line"),
        ("slow rain\u2028neon", "more than one line"),
        ('"slow rain"', "not plain words"),
        ("'slow rain'", "not plain words"),
        ("vibe: slow rain", "not plain words"),
        ('{"title":"rain"}', "not plain words"),
        ("**slow rain**", "not plain words"),
        ("slow\x00rain", "not plain words"),
        ("slow \N{REPLACEMENT CHARACTER}", "not plain words"),
        ("Slow rain", "not in lower case"),
        ("rain", "not of 2 to 12 words"),
        ("a b c d e f g h i j k l m", "not of 2 to 12 words"),
    ],
)
def test_a_vibe_is_a_few_plain_words(answer: str, rule: str | None) -> None:
    assert broken_rule(answer) == rule


@pytest.fixture(scope="module")
def undecided(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Where the taught adapter is kept for the module's tests."""
    return [str(tmp_path_factory.mktemp("undecided"))]


@pytest.fixture
def model(undecided: list[str], make_config: Callable[..., TrainingConfig], tmp_path: Path) -> str:
    """An adapter that answers every text with GOOD or BAD."""
    if len(undecided) == 1:
        rows = [
            {"vibe_noisy": vibe, "config_payload": answer} for vibe in VIBES[:12] for answer in (GOOD, BAD)
        ]
        path = tmp_path / "answers.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = make_config(max_steps=60, batch__batch_size=8, optimizer__learning_rate=2e-2)
        undecided.append(str(run_sft(config, str(path), undecided[0], lambda progress: None)))
    return undecided[1]


def settings_of(model: str, **changes: object) -> ExtractionSettings:
    settings = {
        "model": model, "prompt": "vibe_v1", "seed": 0, "attempts": 3, "temperature": 0.4, "max_tokens": 24,
        "batch_size": 3,
    }  # fmt: skip
    return ExtractionSettings.model_validate(settings | changes)


def extracted(path: Path, settings: ExtractionSettings, *, batches: int = 9) -> ExtractionRecord:
    """What the command does, ended after some batches."""
    extractor = VibeExtractor.load(settings, "Name the vibe.")
    file = VibeFile(path, ExtractionIdentity.of(settings, "hash", TEXTS), len(TEXTS))
    with file.claimed(overwrite=False):
        starts = range(file.record.num_done, len(TEXTS), settings.batch_size)
        for start in starts[:batches]:
            file.add(extractor.extract(TEXTS[start : start + settings.batch_size]))
    return file.record


def test_broken_answers_are_asked_for_again_and_counted(
    model: str, tmp_path: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    path = tmp_path / "vibes.jsonl"
    record = extracted(path, settings_of(model))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    vibes = [row["vibe_original"] for row in rows]
    assert GOOD in vibes
    assert [broken_rule(vibe) for vibe in vibes] == [None] * record.num_vibes
    failed = [text.source for text in record.failed]
    assert [row["source"] for row in rows] == [text.source for text in TEXTS if text.source not in failed]
    # Every answer is a row, or broken: some were asked for again.
    attempts = sum(row["attempts"] for row in rows) + sum(text.attempts for text in record.failed)
    assert sum(record.broken_answers.values()) == attempts - len(rows) > 0
    assert "not plain words" in record.broken_answers
    # The rows are what GRPO trains on.
    assert [row.prompt for row in load_rows(path, make_config().data)] == vibes

    # The same seed gives the same file, and another seed other answers.
    extracted(tmp_path / "again.jsonl", settings_of(model))
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()
    other = extracted(tmp_path / "other.jsonl", settings_of(model, seed=1))
    assert (other.broken_answers, other.sha256) != (record.broken_answers, record.sha256)


def test_an_interrupted_extraction_ends_with_the_same_file(model: str, tmp_path: Path) -> None:
    settings = settings_of(model, attempts=2)
    whole = extracted(tmp_path / "whole.jsonl", settings)
    path = tmp_path / "vibes.jsonl"
    assert extracted(path, settings, batches=1).num_done == 3
    # Killed while it wrote the second batch: rows without their record.
    path.write_bytes(path.read_bytes() + b'{"vibe_noisy": "half a ro')
    assert extracted(path, settings, batches=1).num_done == 6
    assert extracted(path, settings) == whole
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert extracted(path, settings, batches=0) == whole


def test_texts_that_do_not_fit_the_context_are_named_together(small_policy: str) -> None:
    texts = raw_texts([("short.txt", "rain"), ("long.txt", "x" * 600), ("longer.txt", "x" * 700)])
    extractor = VibeExtractor.load(settings_of(small_policy), "")
    with pytest.raises(ProblemsError) as caught:
        extractor.check_lengths(texts)
    # <bos><vibe> and <config> around the text.
    assert caught.value.problems == (
        "long.txt must fit the model's context of 512 tokens with its prompt and an answer, "
        "got 603 + 24 tokens; make it shorter, or add --paragraphs for a vibe of each",
        "longer.txt must fit the model's context of 512 tokens with its prompt and an answer, "
        "got 703 + 24 tokens; make it shorter, or add --paragraphs for a vibe of each",
    )


def test_equal_texts_have_noise_of_their_own() -> None:
    first, second, third = raw_texts([("a", "rain"), ("b", "rain"), ("c", "snow")])
    assert second.text_id == f"{first.text_id}-2"
    assert third.text_id not in (first.text_id, second.text_id)
    assert first.sha256 == second.sha256
