"""Completions of an evaluation as text and sound, in TensorBoard."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from common.clips import CLIPS_FOLDER, clip_name
from common.music_schema import MusicConfig
from common.objective import ObjectiveConfig
from common.reward_config import ClapScorerConfig
from common.training_config import LoggingConfig
from rewards.render import render
from rewards.scorer import Scorer
from trainables import evaluation
from trainables.baselines import random_payload
from trainables.ledger_writer import Completion, LedgerWriter
from trainables.sampling import Sampled
from trainables.shown import CLIP_RATE, shown_completions
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from common.ledger import LedgerRow
    from trainables.spec import TrialSpec

HALF_A_SECOND = ClapScorerConfig(seconds=0.5, render_seed=3)
PAYLOAD = random_payload(random.Random(0)).model_dump_json()


def no_sound_card(configs: Sequence[MusicConfig], **_: object) -> torch.Tensor:
    raise RuntimeError("no sound card")


@pytest.fixture
def rows_of(make_spec: Callable[..., TrialSpec]) -> Callable[..., list[LedgerRow]]:
    """The rows of an evaluation with one vibe per text, two samples each."""

    def rows(*texts: str) -> list[LedgerRow]:
        scorer = Scorer(None)
        completions = [
            Completion(f"p{i}", sample, 0, f"vibe {i}", text, 1, 0.0)
            for i, text in enumerate(texts)
            for sample in range(2)
        ]
        components = scorer.score([c.vibe for c in completions], [c.text for c in completions])
        ledger = LedgerWriter(make_spec())
        return ledger.rows("held_out", 4, completions, components, score_s=1.0, scorer=scorer)

    return rows


def test_the_first_vibes_are_shown_and_the_first_of_them_played(
    rows_of: Callable[..., list[LedgerRow]],
) -> None:
    rows = rows_of(PAYLOAD, "no music", PAYLOAD, PAYLOAD)
    shown = shown_completions(rows, LoggingConfig(text_samples=3, audio_clips=2), HALF_A_SECOND)
    assert [(one.place, one.row.prompt_id, one.row.sample) for one in shown] == [
        (1, "p0", 0),
        (2, "p1", 0),
        (3, "p2", 0),
    ]
    # "no music" has no sound, and the third vibe was not asked for.
    assert [one.clip is None for one in shown] == [False, True, True]
    config = MusicConfig.model_validate(json.loads(PAYLOAD)["config"])
    expected = render([config], seconds=0.5, sample_rate=CLIP_RATE, seed=3)[0].mean(dim=0).numpy()
    assert shown[0].clip is not None
    np.testing.assert_array_equal(shown[0].clip, expected)
    assert shown[0].summary == '"vibe 0", format 1.000, schema 1.000'
    assert shown_completions(rows, LoggingConfig(text_samples=0, audio_clips=0), HALF_A_SECOND) == []


def test_a_renderer_that_fails_costs_the_clip_alone(
    rows_of: Callable[..., list[LedgerRow]], caplog: pytest.LogCaptureFixture
) -> None:
    scorer = ClapScorerConfig(renderer=f"{__name__}:no_sound_card")
    [shown] = shown_completions(rows_of(PAYLOAD), LoggingConfig(), scorer)
    assert shown.clip is None
    assert "no clip of 'vibe 0' at step 4: RuntimeError: no sound card" in caplog.text


def test_every_evaluation_of_a_trial_is_in_tensorboard_as_text_and_sound(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writes_music(
        policy: object, prompts: Sequence[Any], *args: object, **kwargs: object
    ) -> list[Sampled]:
        return [Sampled(PAYLOAD, 100, 0.0)] * (len(prompts) - 1) + [Sampled("```<b>no\nmusic", 2, 0.0)]

    monkeypatch.setattr(evaluation, "sample_completions", writes_music)
    objective = ObjectiveConfig(num_vibes=3, max_completion_length=12, scorer=HALF_A_SECOND)
    spec = replace(make_spec(max_steps=2, logging__eval_steps=1), objective=objective)
    run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)

    events = EventAccumulator(spec.tensorboard)
    events.Reload()
    assert events.Tags()["audio"] == ["clip/1", "clip/2"]  # the default
    for tag in events.Tags()["audio"]:
        clips = events.Audio(tag)
        assert [clip.step for clip in clips] == [0, 1, 2]
        sound, rate = soundfile.read(io.BytesIO(clips[0].encoded_audio_string))
        assert (rate, sound.shape) == (CLIP_RATE, (CLIP_RATE // 2,))
        assert np.abs(sound).max() > 0.01
    texts = events.Tensors("completion/3/text_summary")
    assert [text.step for text in texts] == [0, 1, 2]
    [text] = tensor_util.make_ndarray(texts[0].tensor_proto)
    assert text.decode().endswith("\n\n    ```<b>no\n    music\n")
    kept = sorted(path.name for path in (Path(spec.directory) / CLIPS_FOLDER).iterdir())
    last = LedgerWriter(spec).held_out(2)
    assert kept == sorted(clip_name(row.prompt_id) for row in last[:2])
