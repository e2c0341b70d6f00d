"""`vibesweep score PAIRS.jsonl OUT.parquet`: every line once, whatever happens on the way."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

import rewards
from common.music_schema import config_hash
from common.random_configs import random_config
from common.training_config import PROJECT_ROOT
from rewards import AudioResult, Heard
from rewards.embeddings import normalized
from rewards.schema import NUM_RULES
from rewards.score_table import SCORE_SCHEMA
from tests.vibesweep.refusals import refused
from vibesweep.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.music_schema import MusicConfig

CONFIGS = [random_config(random.Random(seed)) for seed in range(4)]
HEARD = Heard(
    clip=normalized([0.6, 0.8]), vibe=normalized([1.0, 0.0]), level_db=-20.0, clipped=0.25, flatness=0.1
)
BARE_SCHEMA = 37 / NUM_RULES
"""34 labels, their order, their keys and the payload's keys."""
ROW = json.loads((PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[0])
LINES = [
    json.dumps({"vibe": "rain", "config": CONFIGS[0].model_dump()}),
    "",
    json.dumps({"vibe": "sun", "config": {"title": "four", "config": CONFIGS[1].model_dump()}}),
    json.dumps({"vibe": "no music", "completion": "Sorry, I cannot."}),
    json.dumps(
        {"vibe": "fenced", "completion": f"```\n{json.dumps({'config': CONFIGS[2].model_dump()})}\n```"}
    ),
    json.dumps(ROW),
    json.dumps({"vibe_noisy": "nigth", "config_payload": CONFIGS[3].model_dump()}),
]


class StubAudio:
    """Gives each config a number of its own, and remembers what it was asked."""

    renderer_id = "silence"
    cache_counts = None

    def __init__(self, scorer_id: str = "stub") -> None:
        self.scorer_id = scorer_id
        self.asked: list[list[str]] = []
        self.stop_at: int | None = None
        """The call that is interrupted, counted from 1."""
        self.unscored: set[str] = set()
        """Vibes that get no score."""

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        self.asked.append(list(vibes))
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        return [
            AudioResult(None, "the actor died")
            if vibe in self.unscored
            else AudioResult(score(config), None, HEARD)
            for vibe, config in zip(vibes, configs, strict=True)
        ]


def score(config: MusicConfig) -> float:
    return int(config_hash(config)[:4], 16) / 65_536


@pytest.fixture
def audio(monkeypatch: pytest.MonkeyPatch) -> StubAudio:
    stub = StubAudio()
    monkeypatch.setattr(rewards, "audio_backend", lambda *_: stub)
    return stub


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "scores.parquet"


def rows(path: Path) -> list[dict[str, Any]]:
    table = pq.read_table(path)
    assert table.schema.remove_metadata() == SCORE_SCHEMA
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_line_becomes_one_row(
    pairs: Path, out: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", str(pairs), str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}: 6 lines scored; scorer stub, renderer silence\n"
    assert captured.err == ""
    found = rows(out)
    assert [row["line"] for row in found] == [1, 3, 4, 5, 6, 7]
    assert [row["vibe"] for row in found] == [
        "rain", "sun", "no music", "fenced", ROW["vibe_original"], "nigth",
    ]  # fmt: skip
    assert {(row["scorer_id"], row["renderer_id"], row["unscored_reason"]) for row in found} == {
        ("stub", "silence", None)
    }
    bare, titled, nothing, fenced, row, noisy = found
    # reward = 0.2 format + 0.3 schema + 0.5 audio, the floor -1 where nothing can be rendered
    assert bare == {
        "line": 1, "vibe": "rain", "config_hash": config_hash(CONFIGS[0]),
        "format": 1.0, "schema": BARE_SCHEMA, "audio": score(CONFIGS[0]), "renderable": True,
        "reward": pytest.approx(0.2 + 0.3 * BARE_SCHEMA + 0.5 * score(CONFIGS[0])),
        "similarity": 0.6, "level_db": -20.0, "clipped": 0.25, "flatness": 0.1,
        "unscored_reason": None, "scorer_id": "stub", "renderer_id": "silence",
    }  # fmt: skip
    assert titled["schema"] == BARE_SCHEMA + 2 / NUM_RULES  # the title has two rules
    assert (nothing["format"], nothing["schema"], nothing["audio"]) == (0.0, 0.0, None)
    assert (nothing["renderable"], nothing["config_hash"], nothing["similarity"]) == (False, None, None)
    assert nothing["reward"] == pytest.approx(-0.5)
    assert (fenced["format"], fenced["schema"]) == (0.0, BARE_SCHEMA)
    assert (row["format"], row["schema"]) == (1.0, 1.0)
    assert noisy["config_hash"] == config_hash(CONFIGS[3])
    assert files(out.parent) == ["pairs.jsonl", "scores.parquet"]


def test_the_batch_changes_nothing_but_the_calls(pairs: Path, out: Path, audio: StubAudio) -> None:
    assert run(["score", str(pairs), str(out)]) == 0
    whole = pq.read_table(out)
    for size in (1, 2, 5):
        other = out.with_name(f"{size}.parquet")
        assert run(["score", str(pairs), str(other), "--batch", str(size)]) == 0
        assert pq.read_table(other).equals(whole, check_metadata=True)
    assert [len(vibes) for vibes in audio.asked] == [5, 1, 1, 1, 1, 1, 2, 1, 2, 4, 1]


def test_an_interrupted_run_goes_on_where_it_stopped(
    pairs: Path, out: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", str(pairs), str(out.with_name("whole.parquet"))]) == 0
    audio.asked.clear()
    audio.stop_at = 3
    words = ["score", str(pairs), str(out), "--batch", "2"]
    assert run(words) == 130
    assert not out.exists()
    asked = len(audio.asked)
    assert "4 of 6 lines are kept (they are written 2 at a time); the same" in capsys.readouterr().err
    assert run(words) == 0
    # Lines 1 and 3, then 4 and 5 were kept.
    assert capsys.readouterr().out.startswith(f"{out}: 2 lines scored, 4 already there; ")
    assert audio.asked[asked:] == [[ROW["vibe_original"], "nigth"]]
    assert pq.read_table(out).equals(pq.read_table(out.with_name("whole.parquet")), check_metadata=True)
    assert files(out.parent) == ["pairs.jsonl", "scores.parquet", "whole.parquet"]


def test_a_finished_file_is_left_as_it_is(
    pairs: Path, out: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", str(pairs), str(out)]
    assert run(words) == 0
    before, asked = out.stat().st_mtime_ns, len(audio.asked)
    capsys.readouterr()
    assert run(words) == 0
    assert capsys.readouterr().out.startswith(f"{out}: 0 lines scored, 6 already there; ")
    assert (out.stat().st_mtime_ns, len(audio.asked)) == (before, asked)
    assert files(out.parent) == ["pairs.jsonl", "scores.parquet"]


def test_unscored_lines_have_their_reason_and_are_tried_again(
    pairs: Path, out: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    audio.unscored = {"sun", "fenced"}
    words = ["score", str(pairs), str(out), "--batch", "2"]
    assert run(words) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{out}: 4 lines scored; ")
    assert "2 of 6 lines are unscored, the first of them line 3: the actor died" in captured.err
    found = {row["line"]: row for row in rows(out)}
    assert list(found) == [1, 3, 4, 5, 6, 7]
    for line in (3, 5):
        row = found[line]
        assert row["unscored_reason"] == "the actor died"
        assert {row[name] for name in ("format", "schema", "audio", "reward", "renderable")} == {None}
    audio.unscored = {"fenced"}
    assert run(words) == 1
    assert "1 of 6 lines are unscored, the first of them line 5" in capsys.readouterr().err
    audio.unscored = set()
    audio.asked.clear()
    assert run(words) == 0
    assert audio.asked == [["fenced"]]
    assert [row["line"] for row in rows(out)] == [1, 3, 4, 5, 6, 7]
    assert all(row["unscored_reason"] is None for row in rows(out))


@pytest.mark.parametrize("stop_at", [None, 2])
def test_scores_of_something_else_are_not_mixed_in(
    stop_at: int | None, pairs: Path, out: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    audio.stop_at = stop_at  # a finished file, and one in parts
    words = ["score", str(pairs), str(out), "--batch", "2"]
    run(words)
    audio.scorer_id = "another"
    [line] = refused(words, capsys)
    assert "has scores of something else (scorer_id stub, not another); name another OUT" in line
    audio.scorer_id = "stub"
    pairs.write_text(pairs.read_text() + LINES[0])
    [line] = refused(words, capsys)
    assert re.search(r"\(input_sha256 \w{12}…, not \w{12}…\)", line)
    pairs.write_text("\n".join(LINES) + "\n")
    audio.stop_at = None
    assert run(words) == 0
    assert len(rows(out)) == 6


def test_two_commands_cannot_write_one_file(
    pairs: Path,
    out: Path,
    audio: StubAudio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said: list[list[str]] = []
    original = audio.audio

    def meanwhile(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        said.append(refused(["score", pairs, out], capsys))
        return original(vibes, configs)

    monkeypatch.setattr(audio, "audio", meanwhile)
    assert run(["score", str(pairs), str(out)]) == 0
    [[line]] = said
    assert "must be written by one command at a time, got a second" in line
    assert len(rows(out)) == 6


def test_broken_lines_are_told_together_before_anything_is_scored(
    pairs: Path, out: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CONFIGS[0].model_dump()
    deep = '{"vibe": "v", "completion": ' + "[" * 100_000
    broken: list[tuple[str | bytes, str]] = [
        ('{"vibe": ', "must be one JSON object"),
        ("[1]", "a line must be one JSON object, got list"),
        (deep, "must be one JSON object: maximum recursion depth"),
        (b'{"vibe": "\xff"}', "must be UTF-8 text"),
        ('{"vibe": "v", "completion": NaN}', "NaN is not JSON"),
        ('{"vibe": "v", "vibe": "w", "completion": ""}', "a key is repeated"),
        (json.dumps({"completion": "x"}), "vibe: missing; add it"),
        (json.dumps({"vibe": " ", "completion": "x"}), "vibe must be a text that is not blank"),
        (json.dumps({"vibe": ["v"], "completion": "x"}), "vibe must be a text that is not blank, got a list"),
        (
            json.dumps({"vibe": "half \ud83c", "completion": "x"}),
            r"vibe must be whole characters, got \ud83c",
        ),
        (json.dumps({"vibe": "v"}), "one of config, completion, config_payload, got none"),
        (json.dumps({"vibe": "v", "config": config, "completion": ""}), "got config and completion"),
        (json.dumps({"vibe": "v", "completion": {}}), "completion must be a text, got a dict"),
        (json.dumps({"vibe": "v", "config": config | {"tempo": "allegro"}}), "tempo: Input should be"),
        (json.dumps({"vibe": "v", "config": config | {"tempo": "x" * 1_000_000}}), "tempo: Input should be"),
        (json.dumps({"vibe": "v", "config": config | {"x" * 1_000_000: 1}}), "unknown key"),
        (json.dumps({"vibe": "v", "config": {"config": {}}}), "tempo: missing"),
        (json.dumps({"vibe": "v", "config": "no music"}), "must be one JSON object"),
        (json.dumps({"vibe": "v", "config_payload": "{}"}), "tempo: missing"),
    ]
    with pairs.open("ab") as file:
        file.write(b"\n".join(line if isinstance(line, bytes) else line.encode() for line, _ in broken))
    lines = refused(["score", pairs, out], capsys)
    for number, (line, (_, said)) in enumerate(zip(lines, broken, strict=True), start=len(LINES) + 1):
        assert line.startswith(f"{pairs} line {number}")
        assert said in line
        assert len(line) < len(str(pairs)) + 300
    assert audio.asked == []
    assert files(out.parent) == ["pairs.jsonl"]


def test_a_file_of_another_kind_is_told_in_few_lines(
    pairs: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs.write_text("no json\n" * 1_000)
    lines = refused(["score", pairs, out], capsys)
    assert len(lines) == 101
    assert lines[-1] == f"{pairs} has 900 more broken lines; check that it is the right file"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["PAIRS"], "OUT must be named for a JSONL file"),
        (["PAIRS", "out.csv"], "OUT must be a file that ends in .parquet, got 'out.csv'"),
        (["PAIRS", "no/folder/out.parquet"], "OUT must lie in an existing folder"),
        (["PAIRS", "OUT", "--vibe", "v"], "--vibe must be left out for a JSONL file"),
        (["PAIRS", "OUT", "--json"], "--json must be left out for a JSONL file"),
        (["PAIRS", "OUT", "--batch", "0"], "--batch"),
        (["PAIRS", "FOREIGN"], "holds no scores of this command"),
        (["PAIRS", "OUT", "--clap", "630k-best.pt"], "^--clap: model must .* set backend to 'laion-clap'$"),
        (["PAIRS", "OUT", "--clap-backend", "laion"], "--clap-backend"),
        (["nowhere.jsonl", "OUT"], "PAIRS must be an existing file"),
        (["EMPTY", "OUT"], "must have at least one pair"),
        (["CONFIG", "OUT", "--vibe", "v"], "OUT .* must be left out for one config"),
        (["CONFIG", "--batch", "2", "--vibe", "v"], "--batch must be left out for one config"),
        (["CONFIG"], "--vibe must be given for one config"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: list[str], message: str, pairs: Path, audio: StubAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pairs.parent
    (folder / "empty.jsonl").write_text("\n")
    (folder / "foreign.parquet").write_text("a thesis")
    (folder / "config.json").write_text(CONFIGS[0].model_dump_json())
    names = {"PAIRS": pairs, "OUT": folder / "out.parquet", "EMPTY": folder / "empty.jsonl"}
    names |= {"CONFIG": folder / "config.json", "FOREIGN": folder / "foreign.parquet"}
    before = files(folder)
    [line] = refused(["score", *(names.get(word, word) for word in words)], capsys)
    assert re.search(message, line), line
    assert files(folder) == before


KILLED = """
import os, sys, time
import rewards
from rewards import AudioResult, Heard
from vibesweep.cli import run

class Slow:
    scorer_id, renderer_id = "slow", "silence"
    def audio(self, vibes, configs):
        time.sleep(0.05)
        return [AudioResult(0.25, None)] * len(configs)

rewards.audio_backend = lambda *_: Slow()
sys.exit(run(sys.argv[1:]))
"""


def test_a_run_that_is_killed_again_and_again_loses_and_doubles_no_line(pairs: Path, out: Path) -> None:
    count = 160  # 4 s of work, so that a slow machine has time to kill it
    pairs.write_text("".join(LINES[0] + "\n" for _ in range(count)))
    words = [sys.executable, "-c", KILLED, "score", str(pairs), str(out), "--batch", "2"]
    parts = out.with_name(f".{out.name}.parts")

    def kept() -> int:
        return len(list(parts.glob("*.parquet"))) if parts.is_dir() else 0

    for _ in range(3):
        before = kept()
        process = subprocess.Popen(words, cwd=PROJECT_ROOT)
        while process.poll() is None and kept() < before + 3:
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert kept() >= before + 3
        assert not out.exists()
    subprocess.run(words, cwd=PROJECT_ROOT, check=True, capture_output=True)
    assert [row["line"] for row in rows(out)] == list(range(1, count + 1))
    assert files(out.parent) == ["pairs.jsonl", "scores.parquet"]
