"""Whatever comes and goes: the index and each watcher say what a look through everything says."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from tests.tellers import START
from tests.unit.sla.looming import at, case_id, case_of, looming, who
from toldonce.sla.core import Horizon, Looming, Prediction
from toldonce.sla.handler import AtRisk, Gone, Listed, Wanted, Watcher, watching

QUEUES = ("orders", "returns")
NUMBERS = st.integers(0, 9)
_found = st.builds(
    lambda number, due_s, queue, waits, priority: (
        number,
        looming(number, due_s, queue=queue, waits=waits, priority=priority),
    ),
    NUMBERS,
    st.none() | st.integers(0, 40),
    st.sampled_from(QUEUES),
    st.booleans(),
    st.integers(0, 2),
)
_gone = st.tuples(NUMBERS, st.none())
_puts = st.lists(_found | _gone, max_size=40)


def put(horizon: Horizon, number: int, one: Looming | None) -> None:
    shown = one is not None and (one.due is not None or one.line)
    horizon.put(who(number), [one] if one is not None and shown else [])


def known(horizon: Horizon) -> list[Looming]:
    return [one for number in range(10) if (one := horizon.get(case_id(number))) is not None]


def _at(one: Looming) -> tuple[int, str]:
    assert one.due is not None
    return one.due.at_us, one.case_id


def due(
    all_: Iterable[Looming], after_s: float, until_s: float, queue: str | None
) -> list[Looming]:
    """Look through everything."""
    found = [
        one
        for one in all_
        if one.due is not None
        and at(after_s) < one.due.at_us <= at(until_s)
        and queue in {None, one.queue}
    ]
    return sorted(found, key=_at)


@given(_puts, st.integers(-1, 41), st.integers(-1, 41), st.sampled_from((*QUEUES, None)))
def test_the_index_says_what_a_look_through_everything_says(puts, after_s, until_s, queue):
    horizon, last = Horizon(), dict[int, Looming]()
    for number, one in puts:
        put(horizon, number, one)
        if one is None or (one.due is None and not one.line):
            last.pop(number, None)
        else:
            last[number] = one
    everything = list(last.values())
    assert sorted(known(horizon), key=lambda one: one.case_id) == sorted(
        everything, key=lambda one: one.case_id
    )
    assert len(horizon) == len(everything)
    assert list(horizon.until(at(until_s), queue)) == due(everything, -9, until_s, queue)
    between = list(horizon.between(at(after_s), at(until_s), queue))
    assert between == due(everything, after_s, until_s, queue)
    assert horizon.count(at(until_s), queue) == len(due(everything, -9, until_s, queue))
    for line in QUEUES:
        standing = [one for one in everything if one.line == line]
        for one in standing:
            before = [o for o in standing if (o.rank, o.case_id) < (one.rank, one.case_id)]
            assert horizon.place(one) == len(before) + 1
        awaited = [one for one, _ in horizon.awaited(line, at(after_s), at(until_s), 100)]
        assert awaited == due([o for o in standing if o.awaited], after_s, until_s, None)
    assert set(horizon.queues) == {one.queue for one in everything if one.due is not None}


class Desk:
    """What `Risk` does for watchers, on one horizon."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self.horizon = Horizon()
        self.predictions: dict[str, Prediction] = {}
        self.watchers = [Watcher(self.horizon, self.predictions, one) for one in wanted]
        self.shown: list[dict[str, AtRisk]] = [{} for _ in self.watchers]
        self.now_s = 0

    def put(self, number: int, one: Looming | None) -> None:
        before = self.horizon.get(case_id(number))
        put(self.horizon, number, one)
        after = self.horizon.get(case_id(number))
        for watcher in self.watchers:
            watcher.stir(case_id(number), *(each.queue for each in (before, after) if each))

    def predict(self, number: int) -> None:
        """Predict for a case that waits, or take back what was predicted."""
        one = self.horizon.get(case_id(number))
        if one is None or self.predictions.pop(case_id(number), None) is not None:
            pass
        elif one.awaited:
            self.predictions[case_id(number)] = Prediction(one.awaited[0], at(50), 1)
        for watcher in self.watchers:
            watcher.stir(case_id(number), "" if one is None else one.queue)

    def turn(self, number: int) -> list[Listed]:
        """Let a watcher read, and take in what they are told as a client does."""
        shown, listed = self.shown[number], list[Listed]()
        for told in self.watchers[number].turn(START + timedelta(seconds=self.now_s)):
            match told:
                case AtRisk():
                    shown[told.looming.case_id] = told
                case Gone():
                    del shown[told.last.looming.case_id]
                case Listed():
                    listed.append(told)
        return listed

    def naive(self, wanted: Wanted) -> dict[str, AtRisk]:
        """Look through everything."""
        found = {}
        for one in known(self.horizon):
            if wanted.queue not in {"", one.queue}:
                continue
            prediction = self.predictions.get(one.case_id)
            if prediction is not None and prediction.due not in one.awaited:
                prediction = None
            if one.due is not None and one.due.at_us <= at(self.now_s + wanted.within_s):
                found[one.case_id] = AtRisk(one, one.due, prediction)
            elif prediction is not None:
                found[one.case_id] = AtRisk(one, prediction.due, prediction)
        return found


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _found | _gone),
        st.tuples(st.just("predict"), NUMBERS),
        st.tuples(st.just("pass"), st.integers(1, 9)),
        st.tuples(st.just("turn"), st.integers(0, 2)),
    ),
    max_size=60,
)
WANTED = (Wanted(10), Wanted(20, "orders"), Wanted(5, "returns"))


def _played(steps) -> Desk:
    desk = Desk(WANTED)
    for step, what in steps:
        match step:
            case "put":
                desk.put(*what)
            case "predict":
                desk.predict(what)
            case "pass":
                desk.now_s += what
            case _:
                desk.turn(what)
                assert_told(desk, what)
    return desk


def assert_told(desk: Desk, number: int) -> None:
    told, naive = desk.shown[number], desk.naive(WANTED[number])
    assert told.keys() == naive.keys()
    assert all(one.same(told[case]) for case, one in naive.items())


@given(_steps)
def test_each_watcher_knows_after_each_turn_what_a_look_through_everything_finds(steps):
    desk = _played(steps)
    for number in range(3):
        desk.turn(number)
        assert_told(desk, number)


@given(_steps)
def test_a_watcher_who_fell_behind_knows_it_and_knows_all_the_same(steps):
    with patch.object(watching, "CHANGED_MAX", 2):
        _played(steps)
        slow = Desk(WANTED[:1])
        assert [one.behind for one in slow.turn(0)] == [False]
        for number in range(4):
            slow.put(number, looming(number, number))
        (listed,) = slow.turn(0)
        assert (listed.cases, listed.behind) == (4, True)
        assert_told(slow, 0)


@given(_puts)
def test_no_more_is_told_than_there_is_room_for_and_the_rest_follows(puts):
    with patch.object(watching, "LISTED_MAX", 3), patch.object(watching, "_MORE_BELOW", 3):
        desk = Desk(WANTED[:1])
        for number, one in puts:
            desk.put(number, one)
            desk.turn(0)
            assert len(desk.shown[0]) <= 3
            assert desk.shown[0].items() <= desk.naive(WANTED[0]).items()
        total = len(desk.naive(WANTED[0]))
        desk.turn(0)
        assert len(desk.shown[0]) == min(total, 3)


def test_a_case_whose_weight_changed_is_told_again():
    desk = Desk(WANTED[:1])
    desk.put(1, looming(1, 5))
    desk.turn(0)
    desk.put(1, replace(looming(1, 5), case=case_of(1, priority=200)))
    desk.turn(0)
    assert_told(desk, 0)
