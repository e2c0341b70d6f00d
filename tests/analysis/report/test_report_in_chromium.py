"""The report in a real browser: weights, sounds, blind comparison, keyboard, themes, widths."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from analysis import compute_ranking, load_sweep
from analysis.report import render_page, report_data
from analysis.summary import short_name
from common.reward_config import COMPONENTS, RewardWeights
from tests.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analysis.sweep import Sweep
    from tests.analysis.conftest import SweepWriter

pytestmark = pytest.mark.browser


class Reader:
    """Someone who has opened the report."""

    def __init__(self, window: Any, address: str) -> None:
        self.window = window
        self.address = address
        window.get(address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.window.execute_script(script, *arguments)

    def wait_for(self, look: Callable[[], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
        return seen

    def resize(self, width: int, theme: str) -> None:
        """Take a screen of this width, in a system with this theme."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.window.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)

    def set_weight(self, component: str, percent: int) -> None:
        self.run(
            "const slider = document.getElementById(`weight-${arguments[0]}`); slider.value = arguments[1];"
            "slider.dispatchEvent(new Event('input', {bubbles: true}))",
            component,
            percent,
        )

    def board(self) -> list[list[str]]:
        """Name, objective and difference of every row, as they are shown."""
        rows: list[list[str]] = self.run(
            "return [...document.querySelectorAll('#board tbody tr')].map(row => ['.name span', "
            "'[data-field=objective]', '[data-field=difference]']"
            ".map(part => row.querySelector(part).innerText))"
        )
        return rows

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415 - skipped without

        ActionChains(self.window).send_keys(*keys).perform()

    def click(self, selector: str) -> None:
        self.run(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})",
            selector,
        )
        self.window.find_element("css selector", selector).click()

    def requests(self) -> set[str]:
        """Every address that the page asked for."""
        messages = [json.loads(entry["message"])["message"] for entry in self.window.get_log("performance")]
        return {
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        }

    def complaints(self) -> list[str]:
        return [str(entry["message"]) for entry in self.window.get_log("browser")]


@pytest.fixture
def sweep(heard_sweep: SweepWriter) -> Sweep:
    return load_sweep(heard_sweep.directory)


@pytest.fixture(scope="module")
def window() -> Iterator[Any]:
    """One browser for all tests: it takes seconds to start."""
    logs = {"browser": "ALL", "performance": "ALL"}
    with chromium("--autoplay-policy=no-user-gesture-required", goog_loggingPrefs=logs) as one:
        yield one


@pytest.fixture
def reader(sweep: Sweep, heard_sweep: SweepWriter, window: Any) -> Reader:
    file = heard_sweep.directory / "report.html"
    file.write_text(render_page(*report_data(sweep, compute_ranking(sweep), "runs/small")))
    reader = Reader(window, file.as_uri())
    reader.resize(1280, "light")
    return reader


@pytest.fixture(autouse=True)
def nothing_is_asked_for_and_nothing_complained_of(reader: Reader) -> Iterator[None]:
    """Whatever a test does on the page."""
    yield
    reader.run("localStorage.clear()")
    assert reader.complaints() == []
    requests = reader.requests()
    assert reader.address in requests
    assert {address.partition(":")[0] for address in requests - {reader.address}} <= {"data", "blob"}


def ranked(sweep: Sweep, weights: list[float]) -> list[list[str]]:
    """The table as the Python ranking under these weights has it."""
    named = {f"{name}_weight": weight for name, weight in zip(COMPONENTS, weights, strict=True)}
    rows = []
    for row in compute_ranking(sweep, weights=RewardWeights(**named)).rows:
        total = row.difference.total if row.difference else None
        difference = f"{total.mean:+.3f} ±{total.half_width:.3f}" if total else "\N{EN DASH}"
        rows.append(
            [short_name(row), f"{row.objective.mean:.3f} ±{row.objective.half_width:.3f}", difference]
        )
    return rows


def test_the_sliders_rank_as_python_does(reader: Reader, sweep: Sweep) -> None:
    own = reader.board()
    assert own == ranked(sweep, [0.2, 0.3, 0.5])
    orders = set()
    moves = [("audio", 80), ("format", 70), ("schema", 100), ("audio", 100), ("format", 33), ("schema", 1)]
    for component, percent in moves:
        reader.set_weight(component, percent)
        command = reader.text("#weights-command")
        found = re.fullmatch(r"vibesweep rank runs/small --weights (\S+)", command)
        assert found, command
        weights = [float(weight) for weight in found[1].split(",")]
        assert sum(weights) == pytest.approx(1)
        assert weights[COMPONENTS.index(component)] == percent / 100
        shown = reader.board()
        assert shown == ranked(sweep, weights)
        orders.add(tuple(name for name, *_ in shown))
    assert len(orders) > 2, "mixtures that all rank alike would show nothing"
    # What the page cannot compute is not shown, and what was there before comes back.
    ties = "return document.querySelector('#board .own-weights').checkVisibility()"
    assert not reader.run(ties)
    reader.click("#weights-back")
    assert reader.board() == own
    assert reader.run(ties)
    reader.wait_for(
        lambda: reader.text("#ranking-status").startswith(
            "Under the sweep\N{RIGHT SINGLE QUOTATION MARK}s weights"
        )
    )


def test_sounds_play_by_turns_and_go_on_at_the_same_moment(reader: Reader) -> None:
    players = "const [one, other] = document.querySelectorAll('[data-vibe=vibe-0] audio');"
    reader.run(players + "one.play()")
    reader.wait_for(lambda: reader.run(players + "return one.currentTime > 0.3"))
    reader.run(players + "other.play()")
    reader.wait_for(lambda: reader.run(players + "return other.currentTime > 0.3 && !other.paused"))
    assert reader.run(players + "return [one.paused, one.error, other.error]") == [True, None, None]
    # Another vibe is another sound, and what played falls silent.
    reader.run("document.querySelector('input[value=vibe-1]').click()")
    assert reader.run(players + "return other.paused && !other.checkVisibility()")
    durations = "return [...document.querySelectorAll('[data-vibe=vibe-1] audio')].map(one => one.duration)"
    reader.wait_for(lambda: all(0.9 < (one or 0) < 1.2 for one in reader.run(durations)))


def test_a_blind_comparison_hides_the_names_until_the_choice(reader: Reader) -> None:
    pair = ["lora.r=8", "untrained policy"]
    for place, name in zip("ab", pair, strict=True):
        reader.run(
            "const select = document.getElementById(`blind-${arguments[0]}`); select.selectedIndex ="
            "[...select.options].findIndex(option => option.text === arguments[1])",
            place,
            name,
        )
    reader.click("#blind button[type=submit]")
    seen: dict[str, int] = dict.fromkeys(pair, 0)
    for number in (1, 2, 3):
        assert f"Round {number} of 3" in reader.text("#blind-round")
        assert not any(name in reader.text("#blind") for name in pair)
        reader.run("document.getElementById('blind-first').play()")
        reader.wait_for(lambda: reader.run("return document.getElementById('blind-first').currentTime > 0.1"))
        reader.click("[data-choice=first]")
        said = reader.text("#blind-said")
        revealed = re.match(r"First was (.*), second was (.*)\. You chose (.*)\.", said)
        assert revealed, said
        assert sorted(revealed.groups()[:2]) == sorted(pair)
        assert revealed[1] == revealed[3]
        # The sound was that one's.
        assert reader.run(IS_A_CLIP_OF, revealed[1])
        seen[revealed[1]] += 1
        tally = ", ".join(f"{seen[name]} for {name}" for name in pair)
        assert tally in said
        reader.click("#blind-next")
    assert "Of 3 coins" in reader.text("#blind-said")
    assert reader.run("return document.activeElement.id") == "blind-a"


def test_it_can_be_used_with_the_keyboard_alone(reader: Reader) -> None:
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415 - skipped without

    reader.press(Keys.TAB)
    assert reader.run("return document.activeElement.className") == "skip"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert reader.run(outline) == "solid"
    reader.run("document.getElementById('weight-audio').focus()")
    reader.press(Keys.END)
    assert reader.text("#weights-command").endswith("--weights 0,0,1")
    reader.press(Keys.ARROW_LEFT)
    # The other two keep the ratio that they had: 2 to 3.
    reader.press(*[Keys.ARROW_LEFT] * 9)
    assert reader.text("#weights-command").endswith("--weights 0.04,0.06,0.9")
    reader.wait_for(lambda: "Under 4 % format, 6 % schema, 90 % audio" in reader.text("#ranking-status"))
    reader.run("document.querySelector('input[value=vibe-0]').focus()")
    reader.press(Keys.ARROW_DOWN)
    assert reader.run("return document.querySelector('[data-vibe=vibe-1]').checkVisibility()")
    reader.run("document.querySelector('.setting [data-copy]').focus()")
    reader.press(Keys.ENTER)
    reader.wait_for(lambda: reader.text("#said").startswith(("Copied", "Selected")))


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_its_width_in_both_themes(reader: Reader, width: int) -> None:
    papers = []
    for theme in ("light", "dark"):
        reader.resize(width, theme)
        reader.wait_for(lambda: reader.run("return document.querySelectorAll('.chart .main-svg').length > 0"))
        assert reader.run("return document.documentElement.scrollWidth") <= width
        papers.append(reader.run("return getComputedStyle(document.body).backgroundColor"))
        worst = reader.run(CONTRAST)
        assert worst["ratio"] >= 4.5, (theme, worst)
    assert papers[0] != papers[1]
    # The reader's choice goes before the system's, and the plots follow.
    reader.run(
        "const theme = document.getElementById('theme'); theme.value = 'light';"
        "theme.dispatchEvent(new Event('change'))"
    )
    assert reader.run("return getComputedStyle(document.body).backgroundColor") == papers[0]
    ink = reader.run(
        "const [chart] = document.querySelectorAll('.chart'); return chart._fullLayout.font.color"
    )
    assert ink == reader.run("return getComputedStyle(document.querySelector('.lead')).color")


IS_A_CLIP_OF = """
const read = id => JSON.parse(document.getElementById(id).textContent);
const row = read('page-data').rows.find(row => row.name === arguments[0]).id;
const sound = document.getElementById('blind-first').src.split(',')[1];
return Object.entries(read('clips').files).some(([key, file]) => key.startsWith(`${row}-`) && file === sound);
"""
"""Whether the first sound of the blind comparison is one of a configuration's."""

CONTRAST = """
const channels = color => color.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const paper = element => {
  for (let one = element; one; one = one.parentElement) {
    const color = channels(getComputedStyle(one).backgroundColor);
    if (color[3] !== 0) return color;
  }
  return [255, 255, 255];
};
let worst = {ratio: 21};
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  if (!own || element.closest('svg, :disabled, script, .hidden') || !element.checkVisibility()) continue;
  const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(paper(element))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < worst.ratio) worst = {ratio, element: element.outerHTML.slice(0, 200)};
}
return worst;
"""
"""The worst contrast of a text with what lies behind it (WCAG 2.2, 1.4.3)."""
