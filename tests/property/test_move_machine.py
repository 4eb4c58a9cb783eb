"""Customers linked in any order, at once, by processes that die: is anything lost, or a loop made?

The model says what each subject of the log holds, by the facts alone, and lets it pass on only with
`Absorbed`. For long runs: `--hypothesis-profile explore --timeout 0`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.aims import LADDER, aimed, aims
from tests.deeds import DEEDS, NAMES, SUPERVISOR, forward
from tests.machines import StoryMachine
from tests.replicas import Killed, Replica, Turns, answered, runs
from tests.tellers import GATEWAY, TENANT, contact, customer, words
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.ids import CustomerId
from toldonce.kernel.story.events import (
    Absorbed,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseSplit,
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    CommitmentWithdrawn,
    ContactReceived,
    DeliveryConfirmed,
    EntryAppended,
    EntryKind,
    Event,
    Fenced,
    Forgotten,
    HandoffBegun,
    Moved,
)
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import CASES_MAX, CaseState, Story
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import Forget
from toldonce.runtime.testing.log import Fate

IDS = tuple(sorted(customer("one of several", number) for number in range(5)))
TOPICS = ("order", "invoice", "return")
FORWARD = 4
SIDE = (Fenced, Absorbed)
where = st.integers(0, 1)
whom = st.sampled_from(range(len(IDS)))
deeds = st.lists(st.sampled_from(sorted(DEEDS)), min_size=1, max_size=6)
order = st.lists(st.integers(0, 1), max_size=30)


@dataclass(slots=True)
class Hold:
    """What one subject of the log holds."""

    contacts: int = 0
    cases: int = 0
    handoffs: int = 0
    open: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    promises: set[str] = field(default_factory=set)

    def take(self, other: "Hold") -> None:
        self.contacts += other.contacts
        self.cases += other.cases
        self.handoffs += other.handoffs
        self.open |= other.open
        self.answers |= other.answers
        self.promises |= other.promises

    def like(self, story: Story) -> bool:
        """Tell whether a head says the same."""
        totals = (story.contacts_total, story.cases_total, story.handoffs_total)
        return (
            totals == (self.contacts, self.cases, self.handoffs)
            and {case.own for case in story.cases if case.state is not CaseState.CLOSED}
            == self.open
            and {answer.entry for answer in story.unconfirmed} == self.answers
            and {one.own for one in story.commitments} == self.promises
        )


class MoveMachine(StoryMachine):
    """Five customers who may all turn out to be one."""

    law = replace(aimed(aims(more=LADDER)), agents=frozenset(NAMES))

    def __init__(self) -> None:
        super().__init__()
        self.holds: dict[str, Hold] = defaultdict(Hold)
        self.moves: dict[str, str] = {}
        self.walked = 0

    @rule(who=whom, number=st.integers(0, 9), topic=st.sampled_from(TOPICS), at=where)
    def customer_comes(self, who: int, number: int, topic: str, at: int) -> None:
        received = self.tell(who * 100 + number, topic, at, of=IDS[who])
        assert received is not None

    @rule(who=whom, at=where)
    def customer_comes_about_many_things(self, who: int, at: int) -> None:
        for number in range(5):
            self.tell(who * 100 + 50 + number, f"topic{number}", at, of=IDS[who])

    @rule(data=st.data(), who=whom, at=where, deeds=deeds)
    def somebody_does_something(
        self, data: st.DataObject, who: int, at: int, deeds: list[str]
    ) -> None:
        for deed in deeds:
            self._act(data, who, at, deed)

    @rule(who=whom, at=where)
    def cases_are_taken_on(self, who: int, at: int) -> None:
        self.every_subject_holds_what_came_to_it()
        self.take_on(at, of=self.end(IDS[who]))

    @rule(data=st.data(), who=whom, at=where)
    def somebody_goes_on(self, data: st.DataObject, who: int, at: int) -> None:
        for _ in range(FORWARD):
            self._act(data, who, at, "")

    @rule(one=whom, other=whom, at=where)
    def two_are_linked(self, one: int, other: int, at: int) -> None:
        end, refusal = self.loop.run(_ended(self._link(self.replicas[at], one, other)))
        if refusal is not None:
            assert getattr(refusal, "reason", "") == "TOO_MANY_CASES", refusal
            written = self.loop.run(self.auditor.look())
            assert not any(isinstance(fact, Moved) for fact in _facts(written))
            self.every_subject_holds_what_came_to_it()
            ends = {self.end(IDS[one]), self.end(IDS[other])}
            assert sum(len(self.head(who).cases) for who in ends) > CASES_MAX
            return
        for who in (one, other):
            found, _ = self.loop.run(self.replicas[1 - at].ownership.find(TENANT, IDS[who]))
            assert found == end

    @rule(
        one=whom,
        other=whom,
        at=where,
        step=st.integers(1, 25),
        fates=st.lists(st.sampled_from(Fate), max_size=3),
    )
    def process_dies_over_a_link(
        self, one: int, other: int, at: int, step: int, fates: list[Fate]
    ) -> None:
        line = self.replicas[at].line
        line.dies_at, line.fates = line.steps + step, list(fates)
        self.loop.run(_let_be(self._link(self.replicas[at], one, other)))
        self.replicas[at] = self.world.open()

    @rule(one=whom, other=whom, again=whom, turns=order)
    def two_links_come_at_once(self, one: int, other: int, again: int, turns: list[int]) -> None:
        first, second = self.replicas
        self._at_once(turns, self._link(first, one, other), self._link(second, other, again))

    @rule(one=whom, other=whom, who=whom, number=st.integers(0, 9), turns=order)
    def customer_comes_during_a_link(
        self, one: int, other: int, who: int, number: int, turns: list[int]
    ) -> None:
        first, second = self.replicas
        made = contact(who * 100 + number, topic="order")
        command = self.commands.setdefault(made.contact, made)
        ask = self.world.ask(IDS[who], command, GATEWAY, operation=command.contact, words=words())
        fresh = CustomerId(customer("fresh", int.from_bytes(command.contact.encode()) % 999))
        self._at_once(turns, self._link(first, one, other), second.ownership.receive(ask, fresh))
        self.tell(who * 100 + number, "order", 0, of=IDS[who])

    @rule(who=whom, at=where, sure=st.integers(0, 3))
    def customer_is_forgotten(self, who: int, at: int, sure: int) -> None:
        if sure:
            return
        ask = self.world.ask(IDS[who], Forget("ASKED"), SUPERVISOR)
        ended = self.loop.run(answered(self.replicas[at], ask))
        self.loop.run(self.auditor.look())
        assert ended.done is not None
        end = self.end(IDS[who])
        assert ended.done.placed.story == self.auditor.head(end)
        assert ended.done.placed.story.terminal
        if ended.done.logged is not None:
            history = self.loop.run(self.replicas[at].stories.history(TENANT, end))
            sealed = {one.record.key for one in history} - {None}
            forgot = [fact for fact in _facts(history) if isinstance(fact, Forgotten)]
            gone = {key for fact in forgot for key in fact.keys}
            assert sealed == gone

    @rule()
    def what_was_late_arrives(self) -> None:
        self.loop.run(self.world.deliver_late())

    @rule(at=where)
    def process_starts_anew(self, at: int) -> None:
        self.replicas[at] = self.world.open()

    @rule(seconds=st.sampled_from((1, 21, 61, 130)))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def every_subject_holds_what_came_to_it(self) -> None:
        self.check()
        for logged in self.auditor.records[self.walked :]:
            for event in logged.record.events:
                self._follow(event, logged)
        self.walked = self.auditor.count
        for who, story in self.auditor.heads.items():
            if story.moved_to:
                assert story.terminal
                self.end(who)
            else:
                assert self.holds[who].like(story), (who, self.holds[who], story)

    def finish(self) -> None:
        """Let a process that knows nothing meet each story: no half is left, no repeat is new."""
        self.replicas = [self.world.open(), self.world.open()]
        for who in IDS:
            end, placed = self.loop.run(self.replicas[0].ownership.find(TENANT, who))
            self.every_subject_holds_what_came_to_it()
            assert end == self.end(who)
            assert placed.story == self.auditor.head(end)
        for source in self.moves:
            assert self.holds[source] == Hold(), "half a move is left"
            assert source in self.head(self.end(source)).absorbed
        for own, event in self.told.items():
            number = next(n for n in range(500) if contact(n).contact == own)
            of, before = IDS[number // 100], self.world.log.count
            again = self.receive(self.commands[own], self.replicas[1], of=of)
            assert again is not None
            assert (again.repeated, again.event) == (True, event)
            assert self.world.log.count == before

    def end(self, who: str) -> str:
        """Follow a story to its end by the facts; a loop would have none."""
        for _ in range(len(IDS) + 1):
            if who not in self.moves:
                return who
            who = self.moves[who]
        raise AssertionError("a loop")

    def _act(self, data: st.DataObject, who: int, at: int, deed: str) -> None:
        """Ask under whatever id the asker knows the story by."""
        self.head()
        self.every_subject_holds_what_came_to_it()
        if not self.head(self.end(IDS[who])).cases:
            self.tell(who * 100 + 90 + self.number % 9, "order", at, of=IDS[who])
            self.every_subject_holds_what_came_to_it()
        seen = self.scene(data, of=self.end(IDS[who]))
        command, by, said = DEEDS[deed or forward(seen)](seen)
        ask = self.world.ask(IDS[who], command, by, words=said)
        ended = self.loop.run(answered(self.replicas[at], ask))
        self.ledger.note(ended)
        written = self.loop.run(self.auditor.look())
        if ended.done is None or ended.done.logged is None:
            assert all(isinstance(fact, SIDE) for fact in _facts(written)), ended.reason

    async def _link(self, replica: Replica, one: int, other: int) -> CustomerId:
        by = Asked(self.world.operation(), SUPERVISOR)
        pair = (CustomerId(IDS[one]), CustomerId(IDS[other]))
        return await replica.ownership.link(TENANT, pair, by, "same passport")

    def _at_once(self, order: list[int], *works: Awaitable[object]) -> None:
        turns = Turns()
        left = list(order)

        def chosen(waiting: list[int]) -> int:
            wanted = left.pop(0) if left else 0
            return wanted if wanted in waiting else waiting[0]

        async def play() -> None:
            for number, replica in enumerate(self.replicas):
                replica.line.gate = turns.of(number)
            tasks = [asyncio.ensure_future(_ended(work)) for work in works]
            await turns.play(chosen, *tasks)
            for task in tasks:
                _, refusal = task.result()
                assert getattr(refusal, "reason", "TOO_MANY_CASES") == "TOO_MANY_CASES"
                assert not isinstance(refusal, Unavailable)
            for replica in self.replicas:
                replica.line.gate = None

        self.loop.run(play())

    def _follow(self, event: Event, logged: Logged) -> None:
        who = logged.record.customer
        hold = self.holds[who]
        match event:
            case Moved(to):
                assert who not in self.moves
                self.moves[who] = to
            case Absorbed(source=source, source_sequence=sequence):
                assert self.moves[source] in {who, *self.moves}
                moved = self.auditor.records[sequence - 1].record
                assert moved.customer == source
                hold.take(self.holds.pop(source, Hold()))
            case Forgotten():
                hold.open, hold.answers, hold.promises = set(), set(), set()
            case ContactReceived():
                hold.contacts += 1
            case CaseOpened(case):
                hold.open.add(case)
                hold.cases += 1
            case CaseSplit(_, made):
                hold.open.add(made.own)
                hold.cases += 1
            case CaseReopened(case):
                hold.open.add(case.own)
            case CaseClosed(case) | CaseAbandoned(case) | CaseMerged(case):
                hold.open.remove(case)
            case HandoffBegun():
                hold.handoffs += 1
            case EntryAppended(entry, kind=EntryKind.MESSAGE_OUT):
                hold.answers.add(entry)
            case DeliveryConfirmed(entry):
                hold.answers.remove(entry)
            case CommitmentMade(own):
                hold.promises.add(own)
            case CommitmentKept(own) | CommitmentBroken(own) | CommitmentWithdrawn(own):
                hold.promises.remove(own)
            case _:
                pass


async def _ended[T](work: Awaitable[T]) -> tuple[T | None, Refusal | None]:
    """Say how this ended."""
    try:
        return await work, None
    except Refusal as no:
        return None, no


async def _let_be(work: Awaitable[object]) -> None:
    """Let this end as it may."""
    try:
        await work
    except (Killed, Refusal):
        return


def _facts(records: list[Logged] | tuple[Logged, ...]) -> list[Event]:
    return [event for logged in records for event in logged.record.events]


TestMove = MoveMachine.TestCase
TestMove.settings = runs(examples=28, steps=25)
