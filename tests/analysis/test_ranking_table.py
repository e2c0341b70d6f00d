"""The table and its words, as a terminal shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from analysis import compute_ranking, load_sweep, render_ranking

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep, SweepWriter


def shown(sweep: SweepWriter, width: int = 80) -> str:
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(render_ranking(compute_ranking(load_sweep(sweep.directory))))
    return capture.get()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_the_terminal(small_sweep: SweepWriter, width: int) -> None:
    assert max(map(len, shown(small_sweep, width).splitlines())) <= width


def test_every_row_is_shown_on_one_line(small_sweep: SweepWriter) -> None:
    lines = [flat(line) for line in shown(small_sweep).splitlines()]
    [best] = [line for line in lines if line.startswith("1 lora.r=8, beta=0.02 0.700 ±")]
    assert best.endswith("100% 0.400 2")
    assert [line for line in lines if line.startswith("2 random valid configs 0.500 ±0.124 100% 0.000")]
    assert [line for line in lines if line.startswith("3 untrained policy 0.317 ±")]


def test_the_words_say_what_was_best_and_how_sure_that_is(small_sweep: SweepWriter) -> None:
    text = flat(shown(small_sweep))
    assert "held-out objective = 0.2 format + 0.3 schema + 0.5 audio" in text
    assert "Best configuration: lora.r=8, beta=0.02, with objective 0.700 ±" in text
    assert "over 2 seeds and 3 held-out vibes." in text
    # 0.7 - 0.95 / 3 = 0.383, with three vibes.
    assert "Against the untrained policy, paired by vibe: +0.383 (95 % interval" in text
    assert "corrected for picking the best of 2), which noise could explain." in text
    assert "Cannot be told from the best (≈): lora.r=4, beta=0.02." in text


def test_a_clear_win_is_called_more_than_noise(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    vibes = [0.05 * vibe for vibe in range(20)]
    sweep.untrained([x - 0.5 + 0.01 * (i % 3) for i, x in enumerate(vibes)])
    for seed in (0, 1, 2):
        sweep.trial("a", {1: [x + 0.001 * seed for x in vibes]}, seed=seed)
        sweep.trial("b", {1: [x + 0.001 * seed - 0.2 for x in vibes]}, seed=seed)
    text = flat(shown(sweep))
    assert "corrected for picking the best of 2), more than noise." in text
    assert "It is better than every other configuration by more than noise." in text
    # Everything is valid on both sides: all of it is sound.
    assert "Of that, +0.000 ±0.000 comes from keeping the contract better" in text


@pytest.mark.parametrize(
    ("audio", "sentence"),
    [
        # 0.2 + 0.3 + 0.5 audio
        (
            -0.1,
            "Baselines have a higher objective than that: random valid configs (0.600) and untrained policy "
            "(0.500).",
        ),
        (0.1, "A baseline has a higher objective than that: random valid configs (0.600)."),
        (0.2, None),  # as good is not above
        (0.3, None),
    ],
)
def test_a_best_configuration_that_is_below_a_baseline_is_said_to_be(
    new_sweep: NewSweep, audio: float, sentence: str | None
) -> None:
    sweep = new_sweep()
    sweep.trial("random valid configs", {0: [0.2] * 3}, kind="random_configs")
    sweep.untrained([0.0] * 3)
    sweep.trial("a", {1: [audio] * 3})
    text = flat(shown(sweep))
    if sentence is None:
        assert "a higher objective" not in text
    else:
        assert sentence in text


def test_names_with_commas_are_told_apart_and_a_loss_is_no_gain(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.1, 0.3, 0.2])
    for rank in (4, 8, 16):
        params = {"lora.r": rank, "grpo.beta": 0.02}
        label = f"lora.r={rank}, grpo.beta=0.02"
        sweep.trial(label, {4: [0.5 - rank / 1000, None, 0.4]}, params=params)
    text = flat(shown(sweep))
    assert "(≈): lora.r=8, beta=0.02; lora.r=16, beta=0.02. More" in text
    assert "comes from keeping the contract worse, and" in text


def test_what_was_left_out_is_said(small_sweep: SweepWriter) -> None:
    small_sweep.trial("lora.r=8, grpo.beta=0.02", {0: [0.0, 0.0, 0.0]}, seed=2, status="failed")
    small_sweep.trial("late", {0: [0.0, 0.0, 0.0]}, status=None)
    text = flat(shown(small_sweep))
    assert "Left out: 1 failed seed, 1 unfinished trial." in text
    assert "0.400 2/3" in text
