"""optuna-dashboard in a real browser, on a sweep's mirror: does it show what the records say?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cluster.mirror import study_name
from cluster.sweep_directory import sweep_record
from common.records import EvaluationsRecord, ResultRecord, TrialRecord
from tests.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.ray, pytest.mark.timeout(900)]

SHOWN_AS = {"finished": "Complete", "stopped": "Pruned", "failed": "Fail"}


@pytest.fixture
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    pytest.importorskip("optuna_dashboard", reason="pip install 'vibesweep[dashboard]'")
    with chromium("--window-size=1600,2400") as window:
        yield window


def wait_for(look: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return seen


@contextmanager
def dashboard(url: str) -> Iterator[str]:
    """Address of a dashboard on a storage, which must hold a study: it makes no tables itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = f"from optuna_dashboard import run_server; run_server({url!r}, port={port})"
    server = subprocess.Popen([sys.executable, "-c", serve], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, "the dashboard has ended"
        try:
            return bool(urllib.request.urlopen(f"{address}/api/studies", timeout=60).status == 200)
        except OSError:
            return False

    try:
        wait_for(answers)
        yield f"{address}/dashboard"
    finally:
        server.terminate()
        server.wait()


def storage(folder: Path) -> str:
    return f"sqlite:///{folder}/study.db"


def searched(make_sweep: MakeSweep, folder: Path) -> SweepFile:
    """A sweep of stand-ins, run; one trial at a time, so that it is the same every time."""
    from cluster.sweep import run_sweep  # noqa: PLC0415 - imports ray
    from cluster.task import TrialCode  # noqa: PLC0415

    sweep = make_sweep(
        space={"grpo.beta": [0.1, 0.2, 0.3, 0.4, 0.5]},
        search={"mode": "optuna", "trials": 5, "mirror": storage(folder)},
        scheduler={"type": "asha", "eval_steps": 2, "reduction_factor": 2},
        resources={"scorers": 0, "max_concurrent_trials": 1},
    )
    code = TrialCode(
        trial="trivial_trials:adding_up",
        random_configs="trivial_trials:random_configs",
        audio_backend="trivial_scorers:length_backend",
    )
    run_sweep(sweep, folder / "out", code=code)
    return sweep


def shows(browser: Any, text: str) -> bool:
    return text in text_of(browser)


def text_of(browser: Any) -> str:
    return str(browser.find_element("tag name", "body").text)


def drawn(browser: Any, axis: str) -> list[list[float]]:
    """The points of the plot whose x axis has this title."""
    script = """
    const plot = [...document.querySelectorAll('.js-plotly-plot')].find(
      plot => (plot.layout?.xaxis?.title?.text ?? plot.layout?.xaxis?.title) === arguments[0]);
    return plot && plot.data.flatMap(trace => Array.from(trace.x, (x, i) => [x, trace.y[i]]));
    """
    return [[float(x), float(y)] for x, y in browser.execute_script(script, axis) or []]


@pytest.mark.usefixtures("local_ray")
def test_the_dashboard_shows_every_trial_as_its_records_say(
    browser: Any, make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = searched(make_sweep, tmp_path)
    folders = sorted(path.parent for path in tmp_path.glob("out/trials/t*/trial.json"))
    records = [(TrialRecord.read(folder), EvaluationsRecord.read(folder).objectives) for folder in folders]
    results = [result for folder in folders if (result := ResultRecord.read(folder))]
    assert len(results) == len(records) == 5
    assert {result.status for result in results} == set(SHOWN_AS), "one of every kind is to be seen"

    with dashboard(storage(tmp_path)) as address:
        browser.get(address)
        name = study_name(sweep, sweep_record(sweep).fingerprint)
        wait_for(partial(shows, browser, name))
        assert "Direction: MAXIMIZE" in text_of(browser)

        for (record, objectives), result in zip(records, results, strict=True):
            heading = f"Trial {record.number} (trial_id="
            browser.get(f"{address}/studies/1/trials?numbers={record.number}")
            wait_for(partial(shows, browser, heading))
            details = text_of(browser).partition(heading)[2].splitlines()
            assert details[1] == SHOWN_AS[result.status]
            assert f"grpo.beta {record.params['grpo.beta']}" in details
            if result.status != "failed":
                assert details[details.index("Value") + 1] == str(result.objective)
                assert {f"{step} {value}" for step, value in objectives.items()} <= set(details)

        browser.get(f"{address}/studies/1")
        with_value = [result.status != "failed" for result in results]
        history = wait_for(lambda: drawn(browser, "Trial"))
        for number, result in enumerate(results):
            assert ([number, result.objective] in history) == with_value[number]
        ways = wait_for(lambda: drawn(browser, "Step"))
        assert sorted(ways) == sorted(
            [step, value]
            for (_, objectives), counts in zip(records, with_value, strict=True)
            if counts
            for step, value in objectives.items()
        )
        if "VIBESWEEP_SCREENSHOT" in os.environ:
            browser.save_screenshot(os.environ["VIBESWEEP_SCREENSHOT"])
