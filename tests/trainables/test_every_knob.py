"""Every field of TrainingConfig has an effect, seen where it acts, or is refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from search_spaces.settings import LEAF_DEFAULTS
from tests.trainables.conftest import VIBES
from tests.trainables.knobs import learning, rewarding, rollouts, running
from tests.trainables.knobs.bench import Bench, write_rows

if TYPE_CHECKING:
    from tests.trainables.knobs.bench import Knob

TABLES = (learning.KNOBS, rollouts.KNOBS, rewarding.KNOBS, running.KNOBS)
KNOBS: dict[str, Knob] = {path: knob for table in TABLES for path, knob in table.items()}


@pytest.fixture(scope="module")
def bench(
    small_policy: str, other_policies: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    folder = tmp_path_factory.mktemp("knobs")
    rows = write_rows(folder / "rows.jsonl", VIBES)
    return Bench(policy=small_policy, others=other_policies, rows=rows, folder=folder)


def test_the_tables_have_every_field_of_the_configuration_once() -> None:
    assert sorted(KNOBS) == sorted(LEAF_DEFAULTS)
    assert sum(map(len, TABLES)) == len(KNOBS)


@pytest.mark.parametrize("path", KNOBS)
def test_a_knob_has_the_effect_that_it_says(bench: Bench, path: str) -> None:
    knob = KNOBS[path]
    found: list[Any] = []
    for value, expected in knob.cases:
        seen = knob.observe(bench, bench.config({**knob.beside, path: value}))
        shown = pytest.approx(seen, rel=1e-5, abs=1e-6) if isinstance(seen, float) else seen
        assert expected == shown, value
        found.append(seen)
    # A knob that shows the same at two values acts on nothing; of several effects each has to differ.
    first, *others = found
    for other in others:
        if isinstance(first, tuple):
            assert all(ours != theirs for ours, theirs in zip(first, other, strict=True) if ours is not True)
        else:
            assert other != first
