"""Captions drawn for rendered configs, and the label probabilities that both towers learn."""

from __future__ import annotations

import random

import numpy as np

from common.music_schema import CONFIG_LABELS
from common.random_configs import random_config
from tiny.captions import caption_pool, draw_captions, label_distribution, one_hot_labels
from tiny.corpus import field_distribution, load_vibes, sample_config
from tiny.lexicon import normalize

POOL = caption_pool(400, seed=0)


def test_the_pool_has_every_hand_written_training_vibe_and_no_held_out_one() -> None:
    assert set(load_vibes("train")) <= set(POOL)
    held_out = {normalize(vibe) for vibe in load_vibes("held_out")}
    assert not held_out & {normalize(vibe) for vibe in POOL}
    assert caption_pool(400, seed=0) == POOL != caption_pool(400, seed=1)


def test_each_field_of_a_label_row_is_a_distribution() -> None:
    rows = label_distribution(POOL[:5])
    start = 0
    for name, labels in CONFIG_LABELS.items():
        field = rows[:, start : start + len(labels)]
        np.testing.assert_allclose(field.sum(axis=1), 1.0, rtol=1e-6)
        expected = field_distribution(POOL[2])[name]
        np.testing.assert_allclose(field[2], [expected[label] for label in labels], rtol=1e-6)
        start += len(labels)
    assert start == rows.shape[1]


def test_one_hot_labels_mark_one_label_of_each_field() -> None:
    configs = [random_config(random.Random(seed)) for seed in range(4)]
    rows = one_hot_labels(configs)
    assert rows.sum() == 4 * 34
    names = [(name, label) for name, labels in CONFIG_LABELS.items() for label in labels]
    for row, config in zip(rows, configs, strict=True):
        assert dict(names[column] for column in np.flatnonzero(row)) == config.model_dump()


def test_captions_are_distinct_repeatable_and_mostly_likelier_than_chance() -> None:
    rng = random.Random(0)
    configs = [sample_config(vibe, rng) for vibe in POOL[:30]]
    captions = draw_captions(configs, POOL, 4, seed=0)
    assert captions == draw_captions(configs, POOL, 4, seed=0)
    assert all(len(set(some)) == 4 for some in captions)
    # A config's own vibe is one of 760 in the pool; by the posterior it is drawn for most.
    own = sum(vibe in some for vibe, some in zip(POOL, captions, strict=False))
    assert own >= 15
