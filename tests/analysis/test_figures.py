"""The figures' data, and their contract: named, explained, nothing where there is nothing to show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from analysis import compute_ranking, load_sweep
from analysis.curves import compute_curve_bands
from analysis.figures import FIGURES
from analysis.figures.curves import plot_learning_curves
from analysis.figures.ranking import plot_differences, plot_ranking
from analysis.figures.response import log_ticks
from analysis.figures.stopping import STOPPING
from analysis.figures.theme import COLORS, INK, dash, look, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    import plotly.graph_objects as go

    from tests.analysis.conftest import NewSweep, SweepWriter


def drawn(directory: Path, but: str = "") -> dict[str, go.Figure]:
    sweep = load_sweep(directory)
    ranking = compute_ranking(sweep)
    figures = {figure.name: figure.draw(sweep, ranking) for figure in FIGURES if figure.name != but}
    return {name: figure for name, figure in figures.items() if figure is not None}


def test_every_figure_has_a_name_of_its_own_and_says_what_it_shows() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES) == 11
    for figure in FIGURES:
        assert figure.name == figure.name.lower().replace(" ", "-")
        assert figure.says.endswith(".")


def test_a_sweep_without_outcomes_has_no_figures(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {}, status=None)
    assert drawn(sweep.directory) == {}


def test_all_figures_of_a_searched_sweep_are_drawn_on_any_page(searched_sweep: SweepWriter) -> None:
    figures = drawn(searched_sweep.directory)
    # What was trained for did not vary.
    assert list(figures) == [figure.name for figure in FIGURES if figure.name != "trained-weights"]
    for figure in figures.values():
        assert figure.layout.template.layout.paper_bgcolor == "rgba(0, 0, 0, 0)"
        assert figure.layout.template.layout.font.color == INK
        # A width would not fit a phone; the page has it.
        assert figure.layout.width is None


def test_the_noise_floor_is_drawn_in_every_figure_of_the_objective(searched_sweep: SweepWriter) -> None:
    sweep = load_sweep(searched_sweep.directory)
    ranking = compute_ranking(sweep)
    assert ranking.detection is not None
    top = ranking.configurations[0].objective.mean
    figures = drawn(searched_sweep.directory, but="importance")
    for name in ("ranking", "learning-curves", "response", "cost", "stopping"):
        bands = [shape for shape in figures[name].layout.shapes if shape.type == "rect"]
        ends = {(shape.x0, shape.x1) if name == "ranking" else (shape.y0, shape.y1) for shape in bands}
        assert ends == {(top - ranking.detection.difference, top)}


def test_the_ranking_plot_shows_every_row_best_on_top(small_sweep: SweepWriter) -> None:
    figure = plot_ranking(compute_ranking(load_sweep(small_sweep.directory)))
    points = {
        name: x for trace in figure.data for name, x in zip(trace.y, trace.x, strict=True) if name is not None
    }
    assert points["1.\u00a0lora.r=8, beta=0.02"] == pytest.approx(0.7)
    assert len(points) == 4
    assert figure.layout.yaxis.categoryarray[-1] == "1.\u00a0lora.r=8, beta=0.02"


def test_the_gains_are_those_of_the_configurations(small_sweep: SweepWriter) -> None:
    ranking = compute_ranking(load_sweep(small_sweep.directory))
    [trials] = plot_differences(ranking).data
    assert list(trials.x) == [row.difference.total.mean for row in ranking.configurations if row.difference]
    assert len(trials.x) == 2


def test_an_infeasible_configuration_is_drawn_as_a_cross(new_sweep: NewSweep) -> None:
    sweep = new_sweep(sentinels={"min_heard": 2})
    silent = {"similarity": 0.4, "mismatched": 0.2, "level_db": -120.0, "clipped": 0.0, "flatness": 0.1}
    sweep.trial("silent", {4: [0.8, 0.9]}, heard=lambda vibe: silent)
    sweep.trial("sound", {4: [0.1, 0.2]})
    marks = {
        name: trace.marker.symbol
        for trace in plot_ranking(compute_ranking(load_sweep(sweep.directory))).data
        for name in trace.y
        if name
    }
    assert marks == {"1.\u00a0sound": "circle", "2.\u00a0silent": "x"}


def test_the_curves_plot_has_a_line_and_a_band_for_each_configuration(small_sweep: SweepWriter) -> None:
    sweep = load_sweep(small_sweep.directory)
    ranking = compute_ranking(sweep)
    figure = plot_learning_curves(compute_curve_bands(sweep), ranking)
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [trace.name for trace in lines] == ["lora.r=8, beta=0.02", "lora.r=4, beta=0.02"]
    assert list(lines[0].x) == [0, 4]
    assert lines[0].y[-1] == pytest.approx(0.7)
    assert len([trace for trace in figure.data if trace.fill == "toself"]) == 2


def test_baselines_are_level_lines_that_no_label_hides(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.1, 0.3])
    sweep.trial("random valid configs", {0: [0.1, 0.29]}, kind="random_configs")
    sweep.trial("a", {0: [0.1, 0.3], 4: [0.7, 0.9]})
    stored = load_sweep(sweep.directory)
    figure = plot_learning_curves(compute_curve_bands(stored), compute_ranking(stored))
    levels = [trace for trace in figure.data if trace.line.color == INK]
    assert [trace.name for trace in levels] == ["untrained policy 0.600", "random valid configs 0.598"]
    assert [trace.x for trace in levels] == [(0, 4), (0, 4)]
    assert [list(trace.y) for trace in levels] == [pytest.approx([0.6] * 2), pytest.approx([0.5975] * 2)]
    # Without colors they are told from each other, too.
    assert levels[0].line.dash != levels[1].line.dash
    assert not figure.layout.annotations


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.5e-4, 4e-3, [2e-4, 5e-4, 1e-3, 2e-3]),
        (1e-5, 1e-1, [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        (0.3, 0.4, []),
    ],
)
def test_a_logarithmic_axis_has_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == ticks


def test_what_stopping_cost_is_said_beside_its_plot(searched_sweep: SweepWriter) -> None:
    stored = load_sweep(searched_sweep.directory)
    answer = STOPPING.answer(stored, compute_ranking(stored))
    assert answer is not None
    assert re.match(r"(None|\d) of 3 stopped trials ", answer), answer


def test_no_two_of_thirty_things_look_the_same_without_color() -> None:
    assert len({(look(i)["color"], look(i)["symbol"]) for i in range(30)}) == 30
    assert len({(dash(i)["color"], dash(i)["dash"]) for i in range(30)}) == 30
    # Neighbours differ in both.
    assert all(look(i)["symbol"] != look(i + 1)["symbol"] for i in range(len(COLORS)))


def test_a_long_name_takes_several_lines() -> None:
    assert wrapped("learning_rate=0.005, lora.r=16", 22) == "learning_rate=0.005,<br>lora.r=16"
