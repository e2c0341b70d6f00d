"""The pool's book: nothing lost, nothing twice, nobody starved, never more than the bound."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cluster.scoring.book import MAX_TRIES, STEAL_AFTER_S, Batch, Book, Question
from rewards import AudioResult
from search_spaces.resources import PoolLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

FOREVER = 1e9


def question(name: str, vibe: str = "rain") -> Question:
    return Question(vibe, f"digest of {name}", name)


def right_answer(vibe: str, config: str) -> AudioResult:
    return AudioResult(len(vibe) + len(config) / 100, None)


def right_answers(batch: Batch) -> list[AudioResult]:
    return [right_answer(vibe, config) for vibe, config in zip(*batch.pairs(), strict=True)]


class Pool:
    """A book with one scorer, and the answers that came out of it."""

    def __init__(self, *slots: int, **limits: float) -> None:
        self.book = Book(PoolLimits.model_validate({"max_batch": 4, "max_wait_s": 1.0} | limits))
        self.book.set_slots(slots or (0,))
        self.answers: dict[str, list[AudioResult]] = {}

    def ask(self, client: str, *questions: Question, now: float = 0.0, deadline: float = FOREVER) -> int:
        return self.book.admit(
            client,
            "scorer",
            questions,
            now=now,
            deadline=deadline,
            on_done=lambda answers: self.answers.setdefault(client, []).extend(answers),
        )

    def take(self, slot: int = 0, now: float = 10.0) -> Batch:
        batch = self.book.take(slot, now)
        assert batch is not None
        return batch


def configs(batch: Batch) -> list[str]:
    return [clip.config for clip in batch.clips]


def test_a_batch_goes_when_it_is_full_or_has_waited() -> None:
    pool = Pool()
    pool.ask("a", *map(question, "123"), now=5.0)
    assert pool.book.take(0, 5.9) is None
    assert pool.book.due(0) == 6.0
    assert pool.book.take(0, 6.0, only_full=True) is None
    pool.ask("a", question("4"), now=5.9)
    assert configs(pool.take(now=5.9)) == ["1", "2", "3", "4"]


def test_clients_take_turns() -> None:
    pool = Pool()
    pool.ask("greedy", *(question(f"g{n}") for n in range(8)))
    pool.ask("modest", question("m0"), question("m1"))
    assert [configs(pool.take()) for _ in range(3)] == [
        ["g0", "m0", "g1", "m1"],
        ["g2", "g3", "g4", "g5"],
        ["g6", "g7"],
    ]


def test_the_same_question_is_worked_on_once_and_answered_to_all() -> None:
    pool = Pool()
    pool.ask("a", question("1"), question("1"))
    pool.ask("b", question("1"), question("1", "night"))
    batch = pool.take()
    assert batch.pairs() == (["rain", "night"], ["1", "1"])
    pool.ask("c", question("1"))  # while it is in work
    pool.book.finish(batch, right_answers(batch))
    rain, night = right_answer("rain", "1"), right_answer("night", "1")
    assert pool.answers == {"a": [rain, rain], "b": [rain, night], "c": [rain]}
    assert (pool.book.tally.clips, pool.book.tally.joined) == (1, 4)
    assert pool.book.unanswered == 0


def test_a_clip_in_work_is_handed_out_to_nobody_else() -> None:
    pool = Pool(0, 1)
    pool.ask("a", question("1"))
    home = next(slot for slot in (0, 1) if pool.book.take(slot, 1.0, only_full=False))
    pool.ask("b", question("1", "night"), now=1.0)
    assert pool.book.take(1 - home, 99.0) is None
    assert pool.book.take(home, 99.0) is None


def test_further_vibes_of_a_clip_follow_it_to_its_worker() -> None:
    pool = Pool()
    pool.ask("a", question("1"))
    first = pool.take()
    pool.ask("b", question("1", "night"))
    pool.book.finish(first, right_answers(first))
    second = pool.take()
    assert second.pairs() == (["night"], ["1"])
    pool.book.finish(second, right_answers(second))
    assert pool.answers == {"a": [right_answer("rain", "1")], "b": [right_answer("night", "1")]}


def test_a_config_has_one_home_that_few_lose_when_a_worker_comes() -> None:
    def homes(*slots: int) -> dict[str, int]:
        pool = Pool(*slots, max_batch=1)
        pool.ask("a", *(question(str(n)) for n in range(60)))
        found = {}
        for slot in slots:
            while batch := pool.book.take(slot, 0.5, only_full=True):
                found[configs(batch)[0]] = slot
        return found

    before, after = homes(0, 1), homes(0, 1, 2)
    assert set(before.values()) == {0, 1}
    assert before == homes(1, 0)
    moved = {name for name in before if before[name] != after[name]}
    assert {after[name] for name in moved} == {2}
    assert 5 < len(moved) < 40


def test_an_idle_worker_takes_what_waits_too_long_elsewhere() -> None:
    pool = Pool(0, 1)
    pool.ask("a", question("1"))
    other = 1 - next(slot for slot in (0, 1) if pool.book.due(slot) == 1.0)
    assert pool.book.take(other, 1.0 + STEAL_AFTER_S / 2) is None
    assert configs(pool.take(other, 1.0 + STEAL_AFTER_S)) == ["1"]


def test_what_waits_moves_when_its_worker_is_gone() -> None:
    pool = Pool(0, 1)
    pool.ask("a", *(question(str(n)) for n in range(4)))
    pool.book.set_slots([1])
    assert sorted(configs(pool.take(1, 1.0))) == ["0", "1", "2", "3"]


def test_the_bound_is_kept_and_shared() -> None:
    pool = Pool(queue=10)
    many = [question(str(n)) for n in range(20)]
    assert pool.ask("a", *many) == 10
    assert pool.ask("b", *many) == 0
    for _ in range(2):
        batch = pool.take()
        pool.book.finish(batch, right_answers(batch))
    assert pool.book.unanswered == 2
    assert pool.ask("b", *many[10:]) == 5
    assert pool.ask("a", *many[10:]) == 3
    assert pool.book.unanswered == 10
    assert pool.book.tally.refused == 10 + 20 + 5 + 7


def test_clips_of_a_lost_worker_travel_alone_and_are_given_up_in_the_end() -> None:
    pool = Pool()
    pool.ask("a", question("kills"), question("2"))
    pool.book.lose(pool.take(), "it died")
    for _ in range(MAX_TRIES):
        batch = pool.book.take(0, 0.0)
        if batch is None:
            break
        if configs(batch) == ["kills"]:
            pool.book.lose(batch, "it died")
        else:
            assert configs(batch) == ["2"]
            pool.book.finish(batch, right_answers(batch))
    assert pool.answers["a"] == [
        AudioResult(None, f"{MAX_TRIES} scorers were lost: it died"),
        right_answer("rain", "2"),
    ]


def test_a_deadline_is_an_answer_and_what_comes_later_is_none() -> None:
    pool = Pool()
    pool.ask("a", question("1"), deadline=5.0)
    batch = pool.take(now=1.0)
    pool.ask("b", question("1", "night"), deadline=5.0)
    pool.ask("b", question("1"), question("2"), deadline=7.0)
    pool.book.expire(4.9)
    assert pool.answers == {}
    pool.book.expire(5.0)
    assert [result.score for result in pool.answers["a"] + pool.answers["b"]] == [None, None]
    pool.book.finish(batch, right_answers(batch))
    assert len(pool.answers["a"]) == 1
    pool.book.expire(7.0)
    assert pool.answers["b"][1:] == [
        right_answer("rain", "1"),
        AudioResult(None, "no answer from the scorers within resources.pool.deadline_s = 300 s"),
    ]
    assert pool.book.take(0, 99.0) is None
    assert (pool.book.unanswered, pool.book.waiting) == (0, 0)


def test_a_scorer_that_fails_costs_only_its_batch() -> None:
    pool = Pool()
    pool.ask("a", question("1"))
    batch = pool.take()
    pool.ask("b", question("1", "night"))
    pool.book.fail(batch, "it broke")
    assert pool.answers == {"a": [AudioResult(None, "it broke")]}
    assert configs(pool.take()) == ["1"]


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, each question has one answer, and it is right or has a reason."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(PoolLimits(max_batch=3, max_wait_s=1.0, queue=12))
        self.now = 0.0
        self.slots = {0, 1}
        self.book.set_slots(self.slots)
        self.in_work: list[Batch] = []
        self.asked = 0
        self.done: Counter[int] = Counter()
        self.calls = 0

    @rule(
        client=st.sampled_from("abc"),
        scorer=st.sampled_from(["one", "other"]),
        pairs=st.lists(st.tuples(st.sampled_from("vw"), st.sampled_from("12345")), max_size=6),
        patience=st.sampled_from([2.0, FOREVER]),
    )
    def ask(self, client: str, scorer: str, pairs: list[tuple[str, str]], patience: float) -> None:
        questions = [question(f"{scorer} {name}", vibe) for vibe, name in pairs]
        number = self.calls
        self.calls += 1

        def on_done(answers: Sequence[AudioResult]) -> None:
            self.done[number] += len(answers)
            for asked, answer in zip(questions, answers, strict=False):
                assert (answer.score is None) == bool(answer.reason)
                if answer.score is not None:
                    assert answer == right_answer(asked.vibe, asked.config)

        self.asked += self.book.admit(
            client, scorer, questions, now=self.now, deadline=self.now + patience, on_done=on_done
        )

    @rule(slot=st.sampled_from([0, 1, 2]), only_full=st.booleans())
    def take(self, slot: int, only_full: bool) -> None:
        batch = self.book.take(slot, self.now, only_full=only_full)
        if batch:
            assert 1 <= len(batch.clips) <= 3
            assert len({clip.scorer for clip in batch.clips}) == 1
            self.in_work.append(batch)

    @precondition(lambda self: self.in_work)
    @rule(end=st.sampled_from(["finish", "lose", "fail"]), which=st.integers(0, 99))
    def end(self, end: str, which: int) -> None:
        batch = self.in_work.pop(which % len(self.in_work))
        if end == "finish":
            self.book.finish(batch, right_answers(batch))
        else:
            getattr(self.book, end)(batch, "bad luck")

    @rule(seconds=st.floats(0.1, 3.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.book.expire(self.now)

    @rule(slots=st.sets(st.sampled_from([0, 1, 2]), min_size=1))
    def change_workers(self, slots: set[int]) -> None:
        self.slots = slots
        self.book.set_slots(slots)

    @invariant()
    def the_bound_holds(self) -> None:
        assert 0 <= self.book.unanswered <= 12
        assert self.book.tally.answered + self.book.unanswered == self.asked

    @invariant()
    def no_clip_is_in_two_hands(self) -> None:
        names = [clip.name for batch in self.in_work for clip in batch.clips]
        assert len(names) == len(set(names))

    def teardown(self) -> None:
        """Whatever is left is answered by workers that live on."""
        for batch in self.in_work:
            self.book.finish(batch, right_answers(batch))
        while self.book.unanswered:
            self.now += 10.0
            left = self.book.take(min(self.slots), self.now)
            assert left is not None, "nothing that waits may be forgotten"
            self.book.finish(left, right_answers(left))
        assert self.done.total() == self.asked
        assert self.book.waiting == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=300, stateful_step_count=40)
