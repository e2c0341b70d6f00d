"""What a sweep will run, and what stops it before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cluster.plan import baselines, check_sweep, num_trials, scorer_keys
from common.errors import UserError
from common.records import SFTRecord
from common.training_config import TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import MakeSweep


def test_a_sampler_without_its_package_is_refused(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(
        space={"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}},
        search={"mode": "optuna", "trials": 2, "sampler": "cmaes"},
    )
    monkeypatch.setattr("cluster.samplers.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"got 'cmaes', whose package is missing: pip install cmaes"):
        check_sweep(sweep)


def test_every_sweep_has_its_untrained_policy_and_random_configs(make_sweep: MakeSweep) -> None:
    records = baselines(make_sweep(seeds=[4, 2]))
    assert [(r.trial_id, r.kind, r.label, r.seed, r.config.seed) for r in records] == [
        ("baseline-untrained", "untrained_policy", "untrained policy", 4, 4),
        ("baseline-random", "random_configs", "random valid configs", 4, 4),
    ]


def test_rows_with_a_response_and_the_embedded_corpus_can_be_retrieved_from(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    with_responses = tmp_path / "with.jsonl"
    with_responses.write_text('{"vibe_noisy": "rain"}\n{"vibe_noisy": "neon", "config_payload": "{}"}\n')
    for train in (str(with_responses), "tiny"):
        records = baselines(make_sweep(data={"train": train, "held_out": "tiny"}))
        assert [(r.trial_id, r.kind, r.label, r.number) for r in records[2:]] == [
            ("baseline-retrieval", "retrieval", "nearest vibe's config", -3)
        ]


def test_a_policy_that_sft_has_left_is_called_that(make_sweep: MakeSweep, tmp_path: Path) -> None:
    adapter = tmp_path / "sft"
    SFTRecord(
        config=TrainingConfig(), num_rows=1, num_validation_rows=0, packing=False, steps=1,
        validation_losses={},
    ).write(adapter)  # fmt: skip
    sweep = make_sweep(base={}, space={"base_model": ["tiny", str(adapter)]})
    assert [(r.trial_id, r.kind, r.label[:17]) for r in baselines(sweep)] == [
        ("baseline-untrained-0", "untrained_policy", "untrained policy "),
        ("baseline-untrained-1", "sft_policy", "SFT policy (base_"),
        ("baseline-random", "random_configs", "random valid conf"),
    ]


def test_two_base_models_have_two_untrained_policies(make_sweep: MakeSweep) -> None:
    records = baselines(make_sweep(base={}, space={"base_model": ["tiny", "own/er"], "lora.r": [1, 2]}))
    assert [(r.trial_id, r.label) for r in records] == [
        ("baseline-untrained-0", "untrained policy (base_model=tiny)"),
        ("baseline-untrained-1", "untrained policy (base_model=own/er)"),
        ("baseline-random", "random valid configs"),
    ]


def test_trials_are_counted_with_seeds_and_baselines(make_sweep: MakeSweep) -> None:
    # 2 points x 3 seeds + 2 baselines
    assert num_trials(make_sweep(seeds=[0, 1, 2])) == 8
    optuna = make_sweep(
        space={"lora.r": {"range": [1, 64], "kind": "int"}},
        search={"mode": "optuna", "trials": 20},
        seeds=[0, 1],
    )
    assert num_trials(optuna) == 42


def test_equal_training_and_evaluation_scorers_are_loaded_once(make_sweep: MakeSweep) -> None:
    assert len(scorer_keys(make_sweep())) == 1
    assert len(scorer_keys(make_sweep(base={"grpo.reward.reward_type": "schema_only"}))) == 1
    assert len(scorer_keys(make_sweep(base={"grpo.reward.clap.seconds": 20.0}))) == 2
    second = {"eval_clap": {"model": "larger-clap-music"}}
    evaluation, again = scorer_keys(make_sweep(objective=second | {"scorer": {"seconds": 20.0}}))[:2]
    assert (evaluation.clap.model, again.clap.model) == ("tiny", "larger-clap-music")
    # The same sound.
    assert evaluation.clap.seconds == again.clap.seconds == 20
    assert len(scorer_keys(make_sweep(objective=second))) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"base": {"base_model": "./nowhere"}}, r"model must be one of tiny, .* got './nowhere'"),
        ({"base": {"grpo.reward.clap.model": "/no/clap"}}, r"model must be one of tiny, .* got '/no/clap'"),
        ({"objective": {"scorer": {"model": "/no/clap"}}}, r"model must be one of tiny, .* got '/no/clap'"),
        (
            {"base": {"grpo.reward.clap.backend": "laion-clap", "grpo.reward.clap.model": "/no/clap.pt"}},
            r"model with backend 'laion-clap' must be a checkpoint file or one of .* got '/no/clap.pt'",
        ),
        (
            {"objective": {"scorer": {"backend": "laion-clap", "model": "630k-fusion-best.pt"}}},
            r"must be unfused, got '630k-fusion-best.pt'",
        ),
        (
            {"objective": {"eval_clap": {"model": "/no/clap"}}},
            r"model must be one of tiny, .* got '/no/clap'",
        ),
        ({"data": {"train": "/no/data.jsonl"}}, r"'/no/data.jsonl'"),
        ({"base": {"infra.cpus_per_trial": 0}}, r"cpus_per_trial or gpus_per_trial must be > 0"),
        ({"objective": {"num_vibes": 3}}, r"objective.num_vibes must be <= the rows of .* got 3 > 2"),
    ],
)
def test_what_is_missing_is_found_before_anything_starts(
    make_sweep: MakeSweep, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_sweep(make_sweep(**content))


def test_a_broken_line_of_the_data_is_named(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep()
    (tmp_path / "vibes.jsonl").write_text('{"vibe_noisy": "rain"}\n{"vibe_noisy": \n')
    with pytest.raises(UserError, match=r"vibes.jsonl line 2 must be one JSON object"):
        check_sweep(sweep)
