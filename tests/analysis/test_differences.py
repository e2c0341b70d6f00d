"""The split of a difference into validity and audio."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.differences import paired_difference
from analysis.evaluations import CellMeans, objective_cells
from common.objective import ObjectiveConfig, objective_value

OBJECTIVE = ObjectiveConfig()


def one_sample(format_: list[float], schema: list[float], audio: list[float | None]) -> CellMeans:
    """[1, V] cells of one completion each."""
    rendered = [[float(a is not None) for a in audio]]
    valid = [[float(f == 1 and s == 1) for f, s in zip(format_, schema, strict=True)]]
    heard = [[a or 0.0 for a in audio]]
    return CellMeans(*(np.array(values) for values in ([format_], [schema], valid, rendered, heard)))


def test_the_objective_of_cells_is_that_of_their_completions() -> None:
    cells = one_sample([1.0, 0.0], [1.0, 0.25], [0.4, None])
    # 0.2 + 0.3 + 0.5 * 0.4 = 0.7, and 0.3 * 0.25 - 0.5 = -0.425.
    assert objective_cells(cells, OBJECTIVE)[0] == pytest.approx([0.7, -0.425])
    assert objective_value(0.0, 0.25, None, OBJECTIVE) == pytest.approx(-0.425)


def test_the_parts_are_those_of_the_formula() -> None:
    trial = one_sample([1.0, 1.0], [1.0, 1.0], [0.4, 0.2])
    reference = one_sample([1.0, 0.0], [1.0, 0.5], [0.1, None])
    # r: 1 against 0.5, middle 0.75. a: 0.3 against 0.1, middle 0.2.
    # Validity: 0.2 * 0.5 + 0.3 * 0.25 + 0.5 * (0.2 + 1) * 0.5 = 0.1 + 0.075 + 0.3 = 0.475.
    # Audio: 0.5 * 0.75 * 0.2 = 0.075. Total 0.55.
    # Objectives: (0.7 + 0.6) / 2 = 0.65 against (0.55 - 0.35) / 2 = 0.1.
    total, parts = paired_difference(trial, reference, OBJECTIVE)
    assert parts is not None
    assert total.mean() == pytest.approx(0.55)
    assert parts.validity.mean() == pytest.approx(0.475)
    assert parts.audio.mean() == pytest.approx(0.075)
    assert parts.audio_over_valid.mean() == pytest.approx(0.2)


def test_the_parts_make_up_the_total_in_every_cell() -> None:
    rng = np.random.default_rng(0)

    def cells() -> CellMeans:
        rendered = rng.integers(0, 2, (3, 20)).astype(float)
        format_, schema, valid = rng.random((3, 3, 20))
        return CellMeans(format_, schema, valid, rendered, rendered * rng.normal(0, 0.3, (3, 20)))

    total, parts = paired_difference(cells(), cells(), OBJECTIVE)
    assert parts is not None
    np.testing.assert_allclose(parts.validity + parts.audio, total, rtol=0, atol=1e-14)


def test_equal_validity_leaves_audio_alone() -> None:
    trial, reference = one_sample([1, 1], [1, 1], [0.3, 0.5]), one_sample([1, 1], [1, 1], [0.1, 0.2])
    total, parts = paired_difference(trial, reference, OBJECTIVE)
    assert parts is not None
    # Each vibe's own difference: 0.5 * 0.2 and 0.5 * 0.3.
    assert total[0] == pytest.approx([0.1, 0.15])
    assert parts.audio[0] == pytest.approx([0.1, 0.15])
    assert parts.validity[0] == pytest.approx([0, 0])


def test_without_any_sound_on_one_side_there_are_no_parts() -> None:
    trial, reference = one_sample([1, 1], [1, 1], [0.3, 0.5]), one_sample([1, 1], [0.5, 0.5], [None, None])
    total, parts = paired_difference(trial, reference, OBJECTIVE)
    assert parts is None
    # 0.3 * 0.5 + 0.5 * (0.3 + 1) = 0.8 and 0.3 * 0.5 + 0.5 * (0.5 + 1) = 0.9.
    assert total[0] == pytest.approx([0.8, 0.9])


def test_linearized_cells_spread_like_the_ratio_they_stand_for() -> None:
    # The variance of the mean of the cells is that of the audio over rendered completions, which is
    # measured here by drawing 2,000 sets of 50 vibes.
    rng = np.random.default_rng(0)
    estimates, variances = [], []
    for _ in range(2000):
        rendered = (rng.random((2, 1, 50)) < 0.7).astype(float)
        audio = rng.normal(0.1, 0.2, (2, 1, 50)) * rendered
        trial, reference = (CellMeans(r, r, r, r, a) for r, a in zip(rendered, audio, strict=True))
        _, parts = paired_difference(trial, reference, OBJECTIVE)
        assert parts is not None
        estimates.append(parts.audio_over_valid.mean())
        variances.append(parts.audio_over_valid.var(ddof=1) / 50)
    assert np.mean(variances) == pytest.approx(np.var(estimates), rel=0.1)
