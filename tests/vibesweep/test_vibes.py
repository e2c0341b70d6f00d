"""`vibesweep vibes extract`: texts in, rows of training data out; what it refuses and what it gives up."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import trainables.vibe_extraction
from common import prompt_registry
from common.training_config import BASE_MODELS, PROJECT_ROOT
from tests.vibesweep.refusals import refused
from trainables.sampling import Sampled, stream_seed
from trainables.vibe_extraction import ExtractionSettings, VibeExtractor, raw_texts
from vibesweep.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainables.policy import Policy

SCRIPT: dict[str, list[str]] = {
    "rain on the roof": ["slow rain on a roof"],
    "a loud city": ["Loud City", "loud: city", "loud city at noon"],
    "nothing": ["nothing", "Nothing", '{"vibe": "nothing"}'],
}
"""What the stub answers to a text, attempt by attempt."""


CHAT = "chat"
"""The tiny policy behind a template that passes the system prompt on."""


@pytest.fixture(autouse=True)
def chat(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("model")
    for path in (PROJECT_ROOT / "tiny/weights/policy").iterdir():
        (folder / path.name).symlink_to(path)
    template = folder / "chat_template.jinja"
    template.unlink()
    template.write_text("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")
    monkeypatch.setitem(BASE_MODELS, CHAT, str(folder))


class StubSampling:
    """Answers by the noise stream that each text and attempt has, and remembers the prompts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.interrupt_at: int | None = None
        """The call that is interrupted, counted from 1."""
        self.calls = 0

    def __call__(
        self, policy: Policy, prompts: Sequence[Sequence[int]], seeds: Sequence[int], **_: Any
    ) -> list[Sampled]:
        self.calls += 1
        if self.calls == self.interrupt_at:
            raise KeyboardInterrupt
        answers = {
            stream_seed(42, text.text_id, attempt): answer
            for text in raw_texts((text, text) for text in SCRIPT)
            for attempt, answer in enumerate(SCRIPT[text.text])
        }
        self.asked += [policy.tokenizer.decode(prompt) for prompt in prompts]
        return [Sampled(f" {answers[seed]}\n", 6, 0.1) for seed in seeds]


@pytest.fixture
def sampling(monkeypatch: pytest.MonkeyPatch) -> StubSampling:
    stub = StubSampling()
    monkeypatch.setattr(trainables.vibe_extraction, "sample_completions", stub)
    return stub


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command for three texts, of which one gives no vibe."""
    files = []
    for number, text in enumerate(SCRIPT):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_text(f"{text}\n")
    out = str(tmp_path / "vibes.jsonl")
    return ["vibes", "extract", *map(str, files), "--model", CHAT, "--output", out, "--attempts", "3"]


def test_each_text_becomes_a_row_or_is_listed(
    words: list[str], sampling: StubSampling, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 1
    captured = capsys.readouterr()
    out = tmp_path / "vibes.jsonl"
    assert captured.out == (
        f"{out}: 2 vibes of 3 texts; 5 broken answers (2 not in lower case, 2 not plain words, "
        f"1 not of 2 to 12 words); prompt vibe_v1, model {CHAT}\n"
    )
    assert captured.err == (
        f"failed: {tmp_path / '2.txt'}: 3 answers gave no vibe; the last one is not plain words: "
        '\'{"vibe": "nothing"}\'\n'
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["source"] for row in rows] == [str(tmp_path / "0.txt"), str(tmp_path / "1.txt")]
    assert [row["vibe_noisy"] for row in rows] == ["slow rain on a roof", "loud city at noon"]
    assert [row["vibe_original"] for row in rows] == [row["vibe_noisy"] for row in rows]
    assert [row["attempts"] for row in rows] == [1, 3]
    assert {(row["prompt"], row["model"], row["seed"]) for row in rows} == {("vibe_v1", CHAT, 42)}
    assert {len(row["prompt_hash"]) for row in rows} == {16}
    assert rows[0]["text_sha256"] == raw_texts([("", "rain on the roof")])[0].sha256
    # Only broken answers are asked for again.
    assert [sum(text in prompt for prompt in sampling.asked) for text in SCRIPT] == [1, 3, 3]

    # Nothing is left to ask, and the outcome is the same.
    sampling.asked.clear()
    assert run([*words, "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["num_done"], record["num_vibes"], len(record["failed"])) == (3, 2, 1)
    assert sampling.asked == []


def test_the_same_command_goes_on_after_an_interruption(
    words: list[str], sampling: StubSampling, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampling.interrupt_at = 2
    assert run([*words, "--batch", "1"]) == 130
    assert "1 of 3 texts are kept; the same command goes on" in capsys.readouterr().err
    assert run([*words, "--batch", "1"]) == 1
    assert "1 of 3 texts are already done" in capsys.readouterr().err
    assert len((tmp_path / "vibes.jsonl").read_text().splitlines()) == 2


def test_an_output_of_anything_else_is_refused_and_may_be_replaced(
    words: list[str], sampling: StubSampling, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(words)
    out = tmp_path / "vibes.jsonl"
    before = out.read_text()
    [line] = refused([*words, "--temperature", "0.9"], capsys)
    assert "it has temperature 0.7, not 0.9" in line
    out.write_text(before.replace("slow", "fast"))
    [line] = refused(words, capsys)
    assert line.startswith("--output must be as it was written, got ")
    (tmp_path / "vibes.extraction.json").unlink()
    [line] = refused(words, capsys)
    assert line.startswith("--output must be new or of this command, got ")
    assert run([*words, "--overwrite"]) == 1
    assert out.read_text() == before


def test_paragraphs_and_the_standard_input_are_texts(
    sampling: StubSampling,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "\nrain on the roof\r\n\r\n\na loud city\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    out = tmp_path / "vibes.jsonl"
    words = ["vibes", "extract", "-", "--model", CHAT, "--output", str(out), "--paragraphs"]
    assert run(words) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["source"] for row in rows] == ["standard input paragraph 1", "standard input paragraph 2"]
    assert capsys.readouterr().err == ""


def test_a_prompt_of_ones_own_is_asked(
    words: list[str], sampling: StubSampling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_registry, "_REGISTRY", dict(prompt_registry._REGISTRY))
    prompts, config = tmp_path / "prompts.yaml", tmp_path / "run.json"
    prompts.write_text("mine: {version: 1.0.0, description: '', template: Say the vibe.}")
    config.write_text(json.dumps({"prompts": {"vibe_extraction": "mine"}, "base_model": CHAT}))
    asked: list[str] = []
    load = VibeExtractor.load

    def remembering(settings: ExtractionSettings, system_prompt: str) -> VibeExtractor:
        asked.append(system_prompt)
        return load(settings, system_prompt)

    monkeypatch.setattr(VibeExtractor, "load", remembering)
    own = ["--prompts-file", str(prompts)]
    assert run([*words, *own, "--prompt", "mine"]) == 1
    assert run([*words, *own, "--config-file", str(config)]) == 1
    assert asked == ["Say the vibe."] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"--prompt": "none"},
            "prompt must be one of .*got 'none'; correct it, or name the file of your own",
        ),
        ({"--output": "vibes.txt"}, "--output must end in .jsonl and lie in an existing folder"),
        (
            {"--output": "no/such/vibes.jsonl"},
            "--output must end in .jsonl and lie in an existing folder",
        ),
        ({"--model": "./nowhere"}, "model must be one of tiny, .*got './nowhere'"),
        ({"TEXT": "nowhere.txt"}, "TEXT must be an existing file, got 'nowhere.txt'"),
        ({"TEXT": "blank.txt"}, "blank.txt must have a text, got none; leave it out"),
        ({"TEXT": "latin.txt"}, "latin.txt must be UTF-8 text: .* at byte 1"),
        (
            {"TEXT": "long.txt"},
            r"long.txt must fit the model's context of 8192 tokens .*got \d+ \+ 64 tokens",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    changes: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.txt").write_text("rain")
    (tmp_path / "blank.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes(b"m\xe9r")
    (tmp_path / "long.txt").write_text("rain and snow " * 3000)
    options = {"TEXT": "good.txt", "--model": CHAT, "--output": "vibes.jsonl"} | changes
    text = options.pop("TEXT")
    [line] = refused(["vibes", "extract", text, *(word for pair in options.items() for word in pair)], capsys)
    assert re.search(message, line), line
    assert not (tmp_path / "vibes.jsonl").exists()


def test_a_model_that_writes_something_else_gives_no_vibes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # It was taught to write music configs: real weights, each of whose answers is broken.
    (tmp_path / "text.txt").write_text("Rain fell on the harbour all night.")
    out = str(tmp_path / "vibes.jsonl")
    words = ["vibes", "extract", str(tmp_path / "text.txt"), "--model", CHAT, "--output", out]
    assert run([*words, "--attempts", "2", "--max-tokens", "24", "--json"]) == 1
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert record["broken_answers"] == {"cut off": 2}
    [failed] = record["failed"]
    assert (failed["attempts"], failed["reason"]) == (2, "cut off")
    assert (tmp_path / "vibes.jsonl").read_text() == ""
    assert "text.txt: 2 answers gave no vibe; the last one is cut off: '" in captured.err


def test_the_tiny_policy_is_refused_because_it_is_not_told_what_to_do(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(["tiny" if word == CHAT else word for word in words], capsys) == [
        "--model must be a chat model that reads its system prompt, got 'tiny', whose chat template drops "
        "vibe_v1; name another, such as gemma3-270m"
    ]
    assert not (tmp_path / "vibes.jsonl").exists()
