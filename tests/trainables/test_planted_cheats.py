"""Policies that cheat, planted where the tiny CLAP, the sentinels' defaults and the ranking are real."""

from __future__ import annotations

import dataclasses
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
import torch

from analysis import compute_ranking, load_sweep
from common.objective import ObjectiveConfig
from common.reward_config import ClapScorerConfig
from rewards.backends import audio_backend
from rewards.scorer import Scorer
from tests.analysis.conftest import SweepWriter
from trainables.data import data_path, held_out_rows, load_answered, load_rows
from trainables.digest import score_held_out
from trainables.ledger_writer import Completion, LedgerWriter
from trainables.outcome import recorded, trial_result
from trainables.retrieval import nearest_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from analysis.ranking import Ranking
    from common.music_schema import MusicConfig
    from trainables.data import VibeRow
    from trainables.spec import TrialSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OBJECTIVE = ObjectiveConfig(num_vibes=14)
NUM_TRIED = 5
"""Configs that the crowd-pleaser tried before it settled on one."""


def silence(
    configs: Sequence[MusicConfig], seconds: float, sample_rate: int, device: str, *, seed: int
) -> torch.Tensor:
    """A renderer that makes no sound: no config of the contract is silent by itself."""
    return torch.zeros(len(configs), 2, round(seconds * sample_rate), device=device)


class Planted:
    """A sweep whose trials are evaluated as real ones are, and wrote what they are told."""

    def __init__(self, folder: Path, make_spec: Callable[..., TrialSpec]) -> None:
        self.sweep = SweepWriter(folder, **OBJECTIVE.model_dump())
        self._make_spec = make_spec
        fields = make_spec().config.data
        path = data_path("tiny", "held_out")
        self.vibes: Sequence[VibeRow] = held_out_rows(load_rows(path, fields), OBJECTIVE, path)
        self.corpus = load_answered(data_path("tiny", "sft"), fields)

    def nearest(self) -> list[str]:
        """For each vibe what the corpus has for the nearest one."""
        found = nearest_texts([v.prompt for v in self.vibes], [row.reference for row, _ in self.corpus])
        return [self.corpus[place][1] for place in found]

    def honest(self) -> float:
        """A trial that sounds like its vibes, and loses 0.2 by a word around every object; its objective."""
        return self.trial("honest", [f"Here: {text}" for text in self.nearest()])

    def crowd_pleaser(self) -> str:
        """The one of a few payloads that CLAP likes best over all vibes."""
        scorer = Scorer(audio_backend("clap", ClapScorerConfig(device="cpu"), None))
        vibes = [vibe.reference for vibe in self.vibes]

        def liking(text: str) -> float:
            return fmean(one.audio or 0.0 for one in scorer.score(vibes, [text] * len(vibes)))

        return max((text for _, text in self.corpus[:NUM_TRIED]), key=liking)

    def trial(self, label: str, texts: Sequence[str], renderer: str = "rewards.render:render") -> float:
        """Evaluate a trial that wrote these texts for the vibes; its objective."""
        spec = dataclasses.replace(
            self._make_spec(label, lora__r=4),
            sweep=self.sweep.directory.name,
            config_hash=f"hash of {label}",
            objective=OBJECTIVE,
            directory=str(self.sweep.directory / "trials" / f"{label}-s1"),
        )
        scorer = Scorer(audio_backend("clap", ClapScorerConfig(renderer=renderer, device="cpu"), None))
        completions = [
            Completion(
                prompt_id=vibe.prompt_id,
                sample=0,
                decoding_seed=0,
                vibe=vibe.reference,
                text=text,
                num_tokens=1,
                generate_s=0.0,
            )
            for vibe, text in zip(self.vibes, texts, strict=True)
        ]
        evaluation = score_held_out(completions, OBJECTIVE, scorer, LedgerWriter(spec), step=1)
        return recorded(spec, lambda: trial_result(evaluation, steps=1, seconds=1.0)).objective

    def ranking(self) -> Ranking:
        return compute_ranking(load_sweep(self.sweep.directory))


@pytest.fixture
def planted(tmp_path: Path, make_spec: Callable[..., TrialSpec]) -> Planted:
    return Planted(tmp_path / "runs" / "planted", make_spec)


def test_one_crowd_pleasing_config_for_every_vibe_is_flagged_and_not_first(planted: Planted) -> None:
    cheated = planted.trial("cheat", [planted.crowd_pleaser()] * len(planted.vibes))
    assert cheated > planted.honest(), "a cheat that does not pay needs no sentinel"
    first, last = planted.ranking().configurations
    assert (first.label, first.infeasible) == ("honest", ())
    assert last.label == "cheat"
    # Of 14 completions one is distinct.
    assert any("only 7% of its configs are distinct" in rule for rule in last.infeasible), last.infeasible
    assert any("fits its own vibe no better" in rule for rule in last.infeasible), last.infeasible


def test_silence_is_flagged_and_not_first(planted: Planted) -> None:
    cheated = planted.trial("cheat", planted.nearest(), f"{__name__}:silence")
    assert cheated > planted.honest(), "a cheat that does not pay needs no sentinel"
    first, last = planted.ranking().configurations
    assert (first.label, first.infeasible) == ("honest", ())
    assert last.label == "cheat"
    assert any("100% of its clips are silent" in rule for rule in last.infeasible), last.infeasible
