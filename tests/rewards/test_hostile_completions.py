"""No completion and no vibe crashes, hangs or bloats a scorer, or costs its neighbours their score."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.music_schema import CONFIG_LABELS, WEIGHTS
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from common.training_config import PROJECT_ROOT
from rewards import Components, Scorer, audio_backend
from rewards.text import MAX_CHARACTERS, MAX_DEPTH
from tests.fuzz.completions import StubBackend, check_components

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = random_config(random.Random(0)).model_dump()
WHOLE = json.dumps(json.loads((PROJECT_ROOT / "docs/example_config.json").read_text()))

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
"""With halves of surrogate pairs, control characters, and what is no character at all."""
NUMBERS = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "-0", "1e999", "1e-999", "9" * 400, "9" * 5_000, "01"]
)
KEYS = st.sampled_from(
    ["config", "palettes", "colors", "hex", "weight", "title", "thinking", "tempo", "density", "depth",
     "register_min_oct", "register_max_oct", "\ud800", ""]
)  # fmt: skip
LABELS = st.sampled_from([label for labels in CONFIG_LABELS.values() for label in labels] + list(WEIGHTS))


def nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + "1" + closing * depth


def joined(left: str, parts: list[str], right: str) -> str:
    return left + ",".join(parts) + right


JSON_TEXTS: st.SearchStrategy[str] = st.recursive(
    (LABELS | ANY_TEXT | st.integers() | st.floats() | st.booleans() | st.none()).map(json.dumps)
    | NUMBERS
    | st.builds(nested, st.integers(1, 3_000), st.just("["), st.just("]"))
    | st.builds(nested, st.integers(1, 3_000), st.just('{"config":'), st.just("}")),
    lambda inner: (
        st.lists(inner, max_size=6).map(lambda parts: joined("[", parts, "]"))
        # Keys are drawn with repetition: an object may have one twice.
        | st.lists(st.tuples(KEYS.map(json.dumps), inner).map(":".join), max_size=6).map(
            lambda parts: joined("{", parts, "}")
        )
    ),
    max_leaves=30,
)
"""Nearly JSON, with the contract's keys in wrong places and values of every wrong kind."""


@st.composite
def broken_payloads(draw: st.DrawFn) -> str:
    """A valid payload with a piece of its text replaced."""
    start = draw(st.integers(0, len(WHOLE)))
    end = draw(st.integers(start, min(len(WHOLE), start + 40)))
    return WHOLE[:start] + draw(ANY_TEXT | JSON_TEXTS) + WHOLE[end:]


@st.composite
def broken_configs(draw: st.DrawFn) -> str:
    """A valid config with values of any kind in place of some labels."""
    fields = {json.dumps(name): json.dumps(label) for name, label in CONFIG.items()}
    names = st.sampled_from(sorted(fields)) | ANY_TEXT.map(json.dumps)
    fields |= draw(st.dictionaries(names, JSON_TEXTS | LABELS.map(json.dumps), max_size=4))
    return joined('{"config":{', [f"{name}:{value}" for name, value in fields.items()], "}}")


HOSTILE = ANY_TEXT | JSON_TEXTS | broken_payloads() | broken_configs()


@given(HOSTILE)
@example(WHOLE)
@settings(max_examples=400)
def test_every_text_has_components_within_their_bounds(text: str) -> None:
    check_components(text)


@given(st.lists(HOSTILE, max_size=3), st.lists(HOSTILE, max_size=3))
@settings(max_examples=60)
def test_a_hostile_text_costs_its_neighbours_nothing(before: list[str], after: list[str]) -> None:
    batch = [*before, WHOLE, *after]
    components = Scorer(StubBackend()).score(["v"] * len(batch), batch)
    assert components[len(before)] == Components(1.0, 1.0, 0.5, renderable=True)


MB = 10_000_000
LONG: dict[str, Callable[[], str]] = {
    "a title of 10 MB": lambda: json.dumps({"title": "x" * MB, "config": CONFIG}),
    "a label of 10 MB": lambda: json.dumps({"config": CONFIG | {"tempo": "x" * MB}}),
    "a key of 10 MB": lambda: json.dumps({"config": CONFIG, "x" * MB: 1}),
    "a number of 10 MB": lambda: '{"config": ' + "9" * MB,
    "an exponent of 10 MB": lambda: '{"config": 1e' + "9" * MB,
    "a million keys": lambda: json.dumps({"config": {str(number): 1 for number in range(1_000_000)}}),
    "a million colours": lambda: '{"palettes": [{"colors": [' + "{}," * 1_000_000,
    "escapes": lambda: '{"title": "' + "\\ud800" * 1_500_000,
    "a deep label": lambda: json.dumps({"config": CONFIG | {"tempo": 0}}).replace(
        '"tempo": 0', f'"tempo": {nested(900, "[", "]")}'
    ),
    "deep objects": lambda: nested(1_000_000, '{"config":', "}"),
    "deep arrays": lambda: '{"config": ' + nested(5_000_000, "[", "]") + "}",
    "deep and long": lambda: '{"a":' * 500 + "[" + "1," * (MB // 2),
    "braces": lambda: "{" * MB,
    "quotes and braces": lambda: '{"' * (MB // 2),
    "objects one after the other": lambda: '{"a": 1} ' * 1_000_000,
    "space around": lambda: " " * MB + WHOLE + " " * MB,
    "a payload and 10 MB": lambda: WHOLE + "x" * MB,
    "halves of pairs": lambda: "\ud800" * MB,
}
SHORT: dict[str, Callable[[], str]] = {
    # All of these are read: they fit into the characters that are looked at.
    "the longest title": lambda: json.dumps({"config": CONFIG, "title": "x" * 31_000}),
    "the longest label": lambda: json.dumps({"config": CONFIG | {"tempo": "x" * 31_000}}),
    "the deepest label": lambda: json.dumps({"config": CONFIG | {"tempo": 0}}).replace(
        '"tempo": 0', f'"tempo": {nested(MAX_DEPTH - 2, "[", "]")}'
    ),
    "the deepest object": lambda: nested(MAX_DEPTH, '{"config":', "}"),
    "the largest number": lambda: json.dumps({"config": CONFIG | {"density": int("9" * 4_000)}}),
    "most keys": lambda: json.dumps({"config": CONFIG | {f"{number:x}": 1 for number in range(3_000)}}),
    "most palettes": lambda: json.dumps({"config": CONFIG, "palettes": [{}] * 7_000}),
    "most colours": lambda: json.dumps({"config": CONFIG, "palettes": [{"colors": [{}] * 7_000}] * 1}),
    "most words": lambda: json.dumps({"config": CONFIG, "title": "a " * 15_000}),
}
UNRENDERABLE = {"the deepest object", "the largest number", "most keys"}
LIMITED = """
import json, resource, time, tracemalloc
from tests.rewards.test_hostile_completions import LONG, SHORT
from rewards import Scorer
from tests.fuzz.completions import StubBackend

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
scorer, report = Scorer(StubBackend()), {}
for name, made in {**LONG, **SHORT}.items():
    text = made()
    start = time.process_time()
    [found] = scorer.score(["v"], [text])
    cpu_s = time.process_time() - start
    tracemalloc.start()
    scorer.score(["v"], [text])
    more_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    report[name] = [found.format, found.audio, cpu_s, more_mb, len(text)]
print(json.dumps(report))
"""


def test_no_length_or_depth_takes_much_time_or_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report.keys() == LONG.keys() | SHORT.keys()
    for name, (is_whole, audio, cpu_s, more_mb, length) in report.items():
        assert cpu_s < 1, (name, cpu_s)
        assert more_mb < 2, (name, more_mb)
        if name in LONG:
            assert is_whole == 0.0, name
            assert audio == (0.5 if name == "a payload and 10 MB" else None), name
        else:
            assert length <= MAX_CHARACTERS, name
            assert is_whole == 1.0, name
            assert audio == (None if "label" in name or name in UNRENDERABLE else 0.5), name


def test_the_real_scorer_scores_what_stands_among_hostile_texts_and_vibes(random_clap: Path) -> None:
    settings = ClapScorerConfig(model=str(random_clap), microbatch=2, device="cpu")
    alone = Scorer(audio_backend("clap", settings, None)).score(["rain"], [WHOLE])
    backend = audio_backend("clap", settings, None)
    texts = [made() for made in SHORT.values()]
    hostile = ["half \ud800", "\0", "", "x" * 1_000_000, "\U0010ffff" * 1_000_000, "\udfff\ud800"]
    batch = [WHOLE, *texts, *[WHOLE] * len(hostile)]
    components = Scorer(backend).score(["rain", *["v"] * len(texts), *hostile], batch)
    assert components[0] == alone[0]
    assert [found.unscored for found in components] == [None] * len(batch)
    for found, text in zip(components, batch, strict=True):
        assert (found.audio is not None) is found.renderable, text[:100]
        assert found.audio is None or -3 <= found.audio <= 1
