"""The crew: workers that die, hang, fail or lie idle, with stand-ins in place of Ray's actors."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from cluster.scoring import crew as crew_module
from cluster.scoring.actor import Scored
from cluster.scoring.book import Book, Question
from cluster.scoring.crew import Crew
from cluster.scoring.keys import ScorerIds
from cluster.scoring.worker import WorkerLostError
from common.errors import RewardError, UserError
from rewards import AudioResult
from search_spaces.resources import PoolLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

IDS = ScorerIds(scorer_id="stand-in", renderer_id="none")


class StandIn:
    """A worker that answers with the vibe's length, unless the vibe says otherwise."""

    hired: list[StandIn]

    def __init__(self, crew: list[StandIn], *, starts: bool = True) -> None:
        crew.append(self)
        self.starts = starts
        self.alive = True
        self.batches: list[list[str]] = []

    async def start(self, *, is_missed: bool) -> None:
        if not self.starts:
            raise WorkerLostError("it never came to life")

    async def load(self, scorer: str) -> ScorerIds:
        if scorer == "unloadable":
            raise UserError("no such scorer")
        return IDS

    async def score(
        self, scorer: str, vibes: Sequence[str], configs: Sequence[str], within_s: float
    ) -> Scored:
        self.batches.append(list(configs))
        await asyncio.sleep(0.001)
        if "break" in vibes:
            raise RewardError("the scorer failed: it broke")
        if "kill" in vibes or not self.alive:
            raise WorkerLostError("it died")
        if "hang" in vibes:
            await asyncio.sleep(within_s)
            raise WorkerLostError(f"no answer within {within_s:g} s")
        return Scored([AudioResult(float(len(vibe)), None) for vibe in vibes], 1, len(vibes) - 1)

    def kill(self) -> None:
        self.alive = False


class Scene:
    """A crew of stand-ins and one client."""

    def __init__(
        self,
        smallest: int = 1,
        largest: int | None = None,
        hire: Callable[[list[StandIn]], StandIn] = StandIn,
        **limits: float,
    ) -> None:
        self.book = Book(
            PoolLimits.model_validate({"max_batch": 4, "max_wait_s": 0.001, "deadline_s": 0.3} | limits)
        )
        self.hired: list[StandIn] = []
        self.bugs: list[BaseException] = []
        self.crew = Crew(
            self.book, lambda: hire(self.hired), smallest, largest or smallest, on_bug=self.bugs.append
        )

    async def ask(self, *vibes: str, scorer: str = "scorer") -> list[AudioResult]:
        done: asyncio.Future[list[AudioResult]] = asyncio.get_running_loop().create_future()
        questions = [Question(vibe, f"{vibe} {n}", f"{vibe} {n}") for n, vibe in enumerate(vibes)]
        now = asyncio.get_running_loop().time()
        self.book.admit("me", scorer, questions, now=now, deadline=now + 60, on_done=done.set_result)
        await self.crew.wake()
        return await asyncio.wait_for(done, 30)


def play(scene: Scene, act: Callable[[Scene], Awaitable[None]]) -> None:
    """Run an act in an event loop of its own, in which nothing may have gone wrong unseen."""

    async def main() -> None:
        scene.crew.start()
        await act(scene)

    asyncio.run(main())
    assert scene.bugs == []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_PAUSE_S", "_LOOK_EVERY_S"):
        monkeypatch.setattr(crew_module, name, 0.001)
    for name in ("_GROW_AFTER_S", "_SHRINK_AFTER_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(crew_module, name, 0.05)


def scores(results: Sequence[AudioResult]) -> list[float | None]:
    return [result.score for result in results]


def test_two_workers_share_the_clips() -> None:
    async def act(scene: Scene) -> None:
        assert scores(await scene.ask(*["rain"] * 40)) == [4.0] * 40
        assert all(worker.batches for worker in scene.hired)
        batches = sum(len(worker.batches) for worker in scene.hired)
        assert (scene.book.tally.hits, scene.book.tally.misses) == (batches, 40 - batches)

    scene = Scene(2)
    play(scene, act)
    assert len(scene.hired) == 2


def test_what_a_lost_worker_had_is_answered_by_its_successor() -> None:
    async def act(scene: Scene) -> None:
        await scene.ask("rain")
        scene.hired[0].alive = False
        assert scores(await scene.ask("rain", "night", "wind", "snow", "sun")) == [4.0, 5.0, 4.0, 4.0, 3.0]
        assert (len(scene.hired), scene.crew.num_lost) == (2, 1)

    play(Scene(), act)


def test_a_clip_that_kills_is_given_up_alone() -> None:
    async def act(scene: Scene) -> None:
        results = await scene.ask("rain", "kill", "wind")
        assert scores(results) == [4.0, None, 4.0]
        assert results[1].reason == "3 scorers were lost: WorkerLostError: it died"
        assert scores(await scene.ask("rain")) == [4.0]

    play(Scene(2), act)


def test_a_hung_worker_is_replaced_at_a_third_of_the_deadline() -> None:
    async def act(scene: Scene) -> None:
        results = await scene.ask("rain", "hang")
        assert scores(results) == [4.0, None]
        assert "no answer within 0.1 s" in str(results[1].reason)
        assert scores(await scene.ask("night")) == [5.0]
        assert [worker.alive for worker in scene.hired] == [False, False, False, True]

    play(Scene(), act)


def test_a_scorer_that_fails_or_cannot_load_keeps_its_worker() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.ask("break") == [AudioResult(None, "the scorer failed: it broke")]
        assert await scene.ask("rain", scorer="unloadable") == [AudioResult(None, "no such scorer")]
        assert scores(await scene.ask("rain")) == [4.0]

    scene = Scene()
    play(scene, act)
    assert len(scene.hired) == 1


def test_workers_that_never_live_are_tried_again_after_longer_and_longer_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    def hire(hired: list[StandIn]) -> StandIn:
        return StandIn(hired, starts=len(hired) >= 1200)

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(asyncio, "sleep", noted)
        assert scores(await scene.ask("rain")) == [4.0]

    monkeypatch.setattr(crew_module, "_FIRST_PAUSE_S", 0.002)
    monkeypatch.setattr(crew_module, "_LONGEST_PAUSE_S", 0.01)
    scene = Scene(hire=hire)
    play(scene, act)
    of_crew = [pause for pause in pauses if pause >= 0.002]
    assert of_crew[:5] == [0.002, 0.004, 0.008, 0.01, 0.01]
    # As many as would overflow if the pause went on doubling.
    assert scene.crew.num_lost == 1200


def test_the_crew_grows_with_its_work_and_shrinks_again() -> None:
    sizes: list[int] = []

    async def act(scene: Scene) -> None:
        asking = asyncio.create_task(scene.ask(*["rain"] * 1200))
        while not asking.done():
            sizes.append(scene.crew.size)
            await asyncio.sleep(0.005)
        while scene.crew.size > 1:
            await asyncio.sleep(0.005)
        assert [worker.alive for worker in scene.hired] == [True, *[False] * (len(scene.hired) - 1)]
        assert scores(await scene.ask("night")) == [5.0]

    play(Scene(1, 3, max_batch=1), act)
    assert sizes[0] == 1
    assert 1 < max(sizes) <= 3


def test_a_steady_crew_stays_as_it_is() -> None:
    async def act(scene: Scene) -> None:
        await scene.ask(*["rain"] * 400)
        await asyncio.sleep(0.2)
        assert scene.crew.size == 2

    scene = Scene(2, max_batch=1)
    play(scene, act)
    assert len(scene.hired) == 2


def test_an_unexpected_exception_is_told() -> None:
    class Broken(StandIn):
        async def score(self, *_: object, **__: object) -> Scored:
            raise ZeroDivisionError

    async def act(scene: Scene) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scene.ask("rain"), 0.2)

    scene = Scene(hire=Broken)
    with pytest.raises(AssertionError):
        play(scene, act)
    assert [type(bug) for bug in scene.bugs] == [ZeroDivisionError]


def test_any_mixture_of_luck_ends_in_an_answer_for_each() -> None:
    rng = random.Random(3)
    vibes = [rng.choice(["rain"] * 30 + ["kill", "break", "hang"]) for _ in range(120)]

    async def act(scene: Scene) -> None:
        results = await scene.ask(*vibes)
        assert len(results) == 120
        for vibe, result in zip(vibes, results, strict=True):
            # A broken batch takes its neighbours along; nothing else may be without a score.
            assert result.score in ((4.0, None) if vibe == "rain" else (None,))
            assert (result.score is None) == bool(result.reason)
        assert sum(result.score == 4.0 for result in results) > 80

    play(Scene(3), act)
