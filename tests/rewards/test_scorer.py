"""Completions to components, with backends that are under our control."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import AudioResult, Components, Heard, InProcessBackend, Scorer, audio_backend, load_callable
from rewards.embeddings import normalized
from rewards.schema import NUM_RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig
    from common.reward_config import ScorerProtocol

CONFIG = random_config(random.Random(0))
CONFIG_ALONE = json.dumps({"config": CONFIG.model_dump()})
# 34 labels, their order, their keys and the payload's keys hold; title, thinking and palettes are missing.
CONFIG_ALONE_SCHEMA = 37 / NUM_RULES


class Recorder:
    """A scorer that gives 0.5 and remembers what it was asked."""

    scorer_id = "recorder"
    renderer_id = "silence"
    cache_counts = None

    def __init__(self, score: float = 0.5) -> None:
        self.score = score
        self.calls: list[tuple[list[str], list[MusicConfig]]] = []

    def __call__(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        self.calls.append((list(vibes), list(configs)))
        return [self.score] * len(configs)

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        return [AudioResult(score, None) for score in self(vibes, configs)]


def test_only_renderable_configs_travel_and_each_with_its_own_vibe() -> None:
    backend = Recorder()
    completions = ["no object", CONFIG_ALONE, "{}", f"```json\n{CONFIG_ALONE}\n```"]
    components = Scorer(backend).score(["a", "b", "c", "d"], completions)
    assert backend.calls == [(["b", "d"], [CONFIG, CONFIG])]
    assert components == [
        Components(0.0, 0.0, None, renderable=False),
        Components(1.0, CONFIG_ALONE_SCHEMA, 0.5, renderable=True),
        Components(1.0, 0.0, None, renderable=False),
        Components(0.0, CONFIG_ALONE_SCHEMA, 0.5, renderable=True),
    ]


def test_a_fenced_object_loses_only_its_format() -> None:
    bare, fenced = Scorer(Recorder()).score(["v", "v"], [CONFIG_ALONE, f"```\n{CONFIG_ALONE}\n```"])
    assert (bare.format, fenced.format) == (1.0, 0.0)
    assert (bare.schema, bare.audio) == (fenced.schema, fenced.audio)


def test_without_audio_there_is_format_and_schema_alone() -> None:
    scorer = Scorer(None)
    assert (scorer.scorer_id, scorer.renderer_id) == ("none", "none")
    assert scorer.score(["v"], [CONFIG_ALONE]) == [
        Components(1.0, CONFIG_ALONE_SCHEMA, None, renderable=None)
    ]


def test_nothing_renderable_means_no_call() -> None:
    backend = Recorder()
    Scorer(backend).score(["v", "v"], ["", "{}"])
    assert Scorer(backend).score([], []) == []
    assert backend.calls == []


def test_an_unscored_config_takes_every_component_of_its_completion_alone() -> None:
    class HalfBroken(Recorder):
        def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
            return [
                AudioResult(None, "actor died") if vibe == "b" else AudioResult(0.1, None) for vibe in vibes
            ]

    components = Scorer(HalfBroken()).score(["a", "b"], [CONFIG_ALONE, CONFIG_ALONE])
    assert components[0] == Components(1.0, CONFIG_ALONE_SCHEMA, 0.1, renderable=True)
    assert components[1] == Components(None, None, None, None, unscored="actor died")


def test_vibes_and_completions_must_be_equally_many() -> None:
    with pytest.raises(ValueError, match="equally many, got 1 and 2"):
        Scorer(None).score(["v"], ["{}", "{}"])


def in_process(scorer: ScorerProtocol) -> InProcessBackend:
    return InProcessBackend(scorer, "test", "none")


def test_a_scorer_that_fails_once_is_asked_again() -> None:
    attempts = []

    def flaky(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        attempts.append(len(configs))
        if len(attempts) == 1:
            raise RuntimeError("out of luck")
        return [0.25] * len(configs)

    assert in_process(flaky).audio(["v", "v"], [CONFIG, CONFIG]) == [AudioResult(0.25, None)] * 2
    assert attempts == [2, 2]


def test_a_scorer_that_fails_twice_leaves_its_reason_and_no_zero() -> None:
    def broken(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        raise RuntimeError("out of memory\nand a second line")

    (result,) = in_process(broken).audio(["v"], [CONFIG])
    assert result == AudioResult(None, "scorer test failed 2 times: RuntimeError: out of memory")


class SecondEar(Recorder):
    """A second checkpoint, which hears a cosine of 0.6 but not the vibe that it does not know."""

    scorer_id = "second"

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        self(vibes, configs)
        heard = Heard(normalized([0.6, 0.8]), normalized([1.0, 0.0]), -20.0, 0.0, 0.1)
        return [AudioResult(None, "gone") if vibe == "?" else AudioResult(9.0, None, heard) for vibe in vibes]


def test_a_second_checkpoint_hears_what_was_scored_and_changes_no_score(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Deaf(Recorder):
        def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
            return [AudioResult(None, "deaf") if vibe == "x" else AudioResult(0.5, None) for vibe in vibes]

    second = SecondEar()
    vibes, completions = ["a", "b", "?", "x"], [CONFIG_ALONE, "no object", CONFIG_ALONE, CONFIG_ALONE]
    scorer = Scorer(Deaf(), second)
    components = scorer.score(vibes, completions)
    assert components == Scorer(Deaf()).score(vibes, completions)
    assert second.calls == [(["a", "?"], [CONFIG, CONFIG])]
    assert [one.heard_again for one in components] == [pytest.approx(0.6), None, None, None]
    assert "1 of 2 clips were not heard again: gone" in caplog.text
    assert (scorer.second_id, Scorer(Deaf()).second_id) == ("second", None)


def test_a_second_checkpoint_is_not_asked_where_nothing_was_scored() -> None:
    second = SecondEar()
    [found] = Scorer(Recorder(), second).score(["a"], ["no object"])
    assert (second.calls, found.heard_again) == ([], None)


def test_a_config_that_breaks_the_scorer_costs_no_other_its_score() -> None:
    broken = random_config(random.Random(7))
    sizes = []

    def scorer(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        sizes.append(len(configs))
        if broken in configs:
            raise ValueError("no such voice")
        return [len(vibe) / 10 for vibe in vibes]

    configs = [random_config(random.Random(seed)) for seed in range(8)]
    results = in_process(scorer).audio([("v" * n) for n in range(8)], configs)
    # Twice as a whole; then 4 are fine, 2 are fine, the one beside it is fine, and it is alone.
    assert sizes == [8, 8, 4, 4, 2, 2, 1, 1]
    assert results[:7] == [AudioResult(n / 10, None) for n in range(7)]
    assert results[7] == AudioResult(None, "scorer test failed 5 times: ValueError: no such voice")


def test_a_broken_scorer_is_given_up_after_so_many_failures() -> None:
    calls = []

    def scorer(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        calls.append(len(configs))
        raise RuntimeError("no device")

    results = in_process(scorer).audio(["v"] * 1000, [CONFIG] * 1000)
    assert all(result.score is None and "no device" in str(result.reason) for result in results)
    assert len(results) == 1000
    # The pieces that are still on the pile when patience ends are tried once each.
    assert len(calls) <= 32 + 10


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_no_score(score: float) -> None:
    backend = in_process(lambda vibes, configs: [0.5, score])
    good, bad = backend.audio(["v", "v"], [CONFIG, CONFIG])
    assert good == AudioResult(0.5, None)
    assert bad == AudioResult(None, f"scorer test gave a score that is not finite: {score}")


def test_a_scorer_that_answers_too_little_is_a_failure() -> None:
    (result, _) = in_process(lambda vibes, configs: [0.5]).audio(["v", "v"], [CONFIG, CONFIG])
    assert result.score is None
    assert result.reason == "scorer test failed 2 times: RewardError: 1 scores came back for 2 configs"


def constant(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
    return [0.125] * len(vibes)


def test_a_custom_scorer_fills_the_audio_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "my_scorers", sys.modules[__name__])
    backend = audio_backend("custom", ClapScorerConfig(), "my_scorers:constant")
    assert backend is not None
    assert backend.audio(["v"], [CONFIG]) == [AudioResult(0.125, None)]
    assert (backend.scorer_id, backend.renderer_id) == ("custom:my_scorers:constant", "custom")


def test_schema_only_has_no_backend() -> None:
    assert audio_backend("schema_only", ClapScorerConfig(), None) is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:score", "No module named 'no_such_module'.*PYTHONPATH"),
        ("json:no_such_name", "must name a callable, got no such name in json"),
        ("math:pi", "must name a callable, got a float in math"),
    ],
)
def test_an_import_path_that_leads_nowhere_is_the_users_error(path: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_callable(path)


def test_the_room_imports_without_torch_transformers_and_ray() -> None:
    heavy = "{'torch', 'transformers', 'ray'}"
    code = f"import rewards, sys; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
