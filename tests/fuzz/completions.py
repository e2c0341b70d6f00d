"""What must hold for the components of any text whatever, and a coverage-guided fuzzer that looks for a text
for which it does not.

    pip install atheris   (in an environment of its own with pydantic and numpy; no torch, no Ray)
    python -m tests.fuzz.completions -max_total_time=600 -max_len=4096 -timeout=30 -rss_limit_mb=1024 CORPUS

Arguments are libFuzzer's. CORPUS is a folder, made if it is missing; it keeps what reached new code. A text
that breaks a rule ends the run and is kept as `crash-…`; to look at it again, give that file as the argument.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig
    from rewards import AudioResult

__all__ = ["LONGEST_COMPARED", "StubBackend", "check_components"]

LONGEST_COMPARED: Final = 8_192
"""Characters up to which the slow reader is asked too."""
LONGEST_REPEATED: Final = 1 << 20
DICTIONARY: Final = Path(__file__).with_name("json.dict")
SEEDS: Final = (
    b'\0Sure! {"a": [1, 2.5e3, -0, null, true, false]} Enjoy',
    b'\0{"a": "\\ud83c\\udfb5 \\ud800 \\u0041 \\" \\\\ \\n"}',
    b'\0{"a": NaN, "b": {"c": 1}} {"a": 1, "a": 2}',
    b'\1{"a": 1}',
    b'\2"hex"',
    b"\3 \n",
    b'\4{"a":[',
    b'\4{"config":',
)
"""What the corpus starts with, beside a valid payload."""


class StubBackend:
    """An audio backend that gives 0.5, and refuses what no renderer should ever be sent."""

    scorer_id = "stub"
    renderer_id = "stub"
    cache_counts = None

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        """0.5 for each config."""
        from common.music_schema import MusicConfig, canonical_json, config_hash  # noqa: PLC0415 - see main
        from rewards import AudioResult  # noqa: PLC0415

        assert len(vibes) == len(configs)
        for config in configs:
            assert MusicConfig.model_validate_json(canonical_json(config)) == config
            assert len(canonical_json(config)) < 2_000
            assert len(config_hash(config)) == 64
        return [AudioResult(0.5, None)] * len(configs)


def check_components(text: str) -> None:
    """Score one text and assert every rule that holds for all of them.

    Raises:
        AssertionError: a rule is broken.
    """
    from common.music_schema import MusicConfig, MusicConfigPayload  # noqa: PLC0415 - see main
    from rewards import Scorer, first_json_object  # noqa: PLC0415
    from rewards.schema import NUM_RULES, leaf_rules  # noqa: PLC0415
    from tests.fuzz.strict_json import first_object  # noqa: PLC0415

    payload, is_whole = first_json_object(text)
    if len(text) <= LONGEST_COMPARED:
        expected = first_object(text)
        # repr tells 1 from True and 1.0, and keeps the order of the keys
        assert repr((payload, is_whole)) == repr(expected), (payload, expected)
    [components] = Scorer(StubBackend()).score(["a vibe"], [text])
    assert components.unscored is None
    assert components.format == float(is_whole)
    assert payload is not None or not is_whole
    rules = [holds for _, holds in leaf_rules(payload)]
    assert len(rules) == NUM_RULES
    assert components.schema == sum(rules) / NUM_RULES
    assert (components.schema == 1.0) == _accepts(MusicConfigPayload, payload)
    config = payload.get("config") if payload else None
    assert components.renderable == (isinstance(config, dict) and _accepts(MusicConfig, config))
    assert components.audio == (0.5 if components.renderable else None)


def _accepts(model: Any, value: object) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


def _text(provider: Any, shape: bytes, data: bytes, example: str) -> str:
    """A text from the fuzzer's bytes; the first of them says how it is made."""
    match shape[0] % 5 if shape else 0:
        case 0:  # as they are, so that a dictionary's words come through
            return data.decode("utf-8", "surrogateescape")
        case 1:  # code points, lone surrogates among them
            points: str = provider.ConsumeUnicode(len(data))
            return points
        case 2:  # a valid payload with a piece replaced
            start: int = provider.ConsumeIntInRange(0, len(example))
            end: int = provider.ConsumeIntInRange(start, min(len(example), start + 200))
            piece = _decoded(provider, len(data))
            return example[:start] + piece + example[end:]
        case 3:  # a valid payload with something around it
            before: int = provider.ConsumeIntInRange(0, 8)
            return _decoded(provider, before) + example + _decoded(provider, len(data))
        case _:  # a piece over and over
            times: int = provider.ConsumeIntInRange(1, 1 << 18)
            piece = _decoded(provider, 64)
            return (piece * times)[:LONGEST_REPEATED] + _decoded(provider, len(data))


def _decoded(provider: Any, count: int) -> str:
    data: bytes = provider.ConsumeBytes(count)
    return data.decode("utf-8", "surrogateescape")


def fuzz(arguments: list[str]) -> None:
    """Run libFuzzer; never returns."""
    import atheris  # noqa: PLC0415 - the fuzzer's own environment has it

    with atheris.instrument_imports(include=["common", "rewards", "tests.fuzz.strict_json"]):
        import rewards  # noqa: F401, PLC0415
        import tests.fuzz.strict_json  # noqa: F401, PLC0415
    example = json.dumps(json.loads(Path("docs/example_config.json").read_text()), separators=(",", ":"))

    def one(data: bytes) -> None:
        check_components(_text(atheris.FuzzedDataProvider(data[1:]), data[:1], data[1:], example))

    corpus = Path(arguments[-1]) if arguments and not arguments[-1].startswith("-") else None
    if corpus is not None and not corpus.exists():
        corpus.mkdir(parents=True)
        for number, seed in enumerate((b"\0" + example.encode(), *SEEDS)):
            (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-dict={DICTIONARY}", *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1:])
