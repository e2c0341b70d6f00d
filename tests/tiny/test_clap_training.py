"""The tiny CLAP's training: its losses, its shape, its repeatability, and the measure of its quality."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from common.music_schema import CONFIG_LABELS
from tiny.captions import label_distribution
from tiny.clap_model import build_model, train_tokenizer
from tiny.clap_quality import held_out_pairs, retrieval
from tiny.clap_training import Plan, TrainingSet, info_nce, label_loss, train
from tiny.corpus import load_vibes
from tiny.train_clap import main

VIBES = load_vibes("train")


def test_info_nce_of_orthogonal_pairs_follows_by_hand() -> None:
    # Logits are scale on the diagonal and 0 beside it: ln(e^2 + 3) - 2 for four pairs at scale 2.
    found = info_nce(torch.eye(4), torch.eye(4), torch.tensor(2.0))
    assert float(found) == pytest.approx(math.log(math.e**2 + 3) - 2, abs=1e-6)


def test_the_label_loss_of_a_uniform_guess_is_the_sum_of_the_logs_of_the_labels() -> None:
    target = torch.from_numpy(label_distribution(VIBES[:3]))
    expected = sum(math.log(len(labels)) for labels in CONFIG_LABELS.values())
    assert float(label_loss(torch.zeros_like(target), target)) == pytest.approx(expected, rel=1e-6)


def test_the_model_is_a_small_clap_that_ships() -> None:
    parameters = sum(weight.numel() for weight in build_model().parameters())
    assert 2_300_000 <= parameters <= 2_870_000  # 11.5 MB in float32


def test_the_tokenizer_is_robertas_with_case_folded() -> None:
    tokenizer = train_tokenizer(VIBES)
    ids = tokenizer("Rainy window")["input_ids"]
    assert ids == tokenizer("rainy WINDOW")["input_ids"]
    assert (ids[0], ids[-1], tokenizer.pad_token_id, len(tokenizer)) == (0, 2, 1, 2048)
    assert tokenizer.decode(ids, skip_special_tokens=True) == " rainy window"
    # Bytes beyond the corpus are read too.
    assert tokenizer.unk_token_id not in tokenizer("\u96e8 \U0001f327")["input_ids"]


def test_the_same_seed_gives_the_same_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    data = TrainingSet(
        log_mels=torch.randn(8, 1001, 64, generator=generator).half(),
        labels=torch.from_numpy(label_distribution(VIBES[:8])),
        captions=[[vibe] for vibe in VIBES[:8]],
    )
    tokenizer = train_tokenizer(VIBES)
    plan = Plan(steps=2, batch=4, text_steps=2, text_batch=4, seed=3)
    states = []
    for _ in range(2):
        torch.manual_seed(plan.seed)
        model = build_model()
        losses = train(model, tokenizer, data, VIBES, plan)
        assert len(losses) == 2
        states.append(model.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_recall_counts_the_clips_that_come_before_the_right_one() -> None:
    # Every text finds its own clip, save that ties count against it.
    assert retrieval(np.eye(60)) == (1.0, 1.0, 1.0)
    assert retrieval(np.zeros((60, 60))) == (0.0, 0.0, 0.0)
    # Each text likes three other clips better: rank 4 wherever all three were drawn.
    liked = np.eye(50) + 2 * sum(np.roll(np.eye(50), shift, axis=1) for shift in (1, 2, 3))
    assert retrieval(liked) == (0.0, 1.0, 1.0)


def test_chance_is_k_in_fifty() -> None:
    noise = np.random.default_rng(0).standard_normal((1000, 1000))
    found = retrieval(noise)
    np.testing.assert_allclose(found, [0.02, 0.1, 0.2], atol=0.03)


def test_held_out_pairs_are_fixed_and_end_with_the_hand_written_vibes() -> None:
    pairs = held_out_pairs()
    assert pairs == held_out_pairs()
    by_hand = load_vibes("held_out")
    assert tuple(pair.vibe for pair in pairs if pair.by_hand) == by_hand
    assert [pair.by_hand for pair in pairs] == [False] * 120 + [True] * len(by_hand)


def test_senseless_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--steps", "0"])
    assert "--steps must be >= 1, got 0" in capsys.readouterr().err
