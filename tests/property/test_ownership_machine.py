"""Two replicas, any commands, a bad line: is there ever more than one owner, or a lost answer?

For long runs: `--hypothesis-profile explore --timeout 0`.
"""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.aims import LADDER, aimed, aims
from tests.deeds import DEEDS, NAMES, Scene, forward
from tests.machines import WHO, StoryMachine
from tests.replicas import answered, runs
from tests.tellers import TENANT, contact
from toldonce.kernel.ids import whole
from toldonce.runtime.testing.log import Fate

TOPICS = ("order", "invoice", "return", "")
PASSES_S = (1, 1, 2, 5, 10, 21, 61, 130, 90_000)
FULL = tuple(f"topic{number}" for number in range(9))
TOLD_AGAIN_MAX = 8
FORWARD = 4
where = st.integers(0, 1)
deeds = st.lists(st.sampled_from(sorted(DEEDS)), min_size=1, max_size=6)


class OwnershipMachine(StoryMachine):
    """Everybody at once; the model is the auditor's, and what the clients were told."""

    law = replace(aimed(aims(more=LADDER)), agents=frozenset(NAMES))

    @rule(number=st.integers(1, 20), topic=st.sampled_from(TOPICS), at=where)
    def customer_comes(self, number: int, topic: str, at: int) -> None:
        self.tell(number, topic, at)

    @rule(at=where)
    def customer_comes_about_everything(self, at: int) -> None:
        for place, topic in enumerate(FULL):
            if contact(100 + place).contact not in self.told:
                self.tell(100 + place, topic, at)

    @rule(data=st.data(), at=where)
    def somebody_does_something(self, data: st.DataObject, at: int) -> None:
        for deed in data.draw(deeds, "deeds"):
            self.do(deed, self._scene(data, at), at)

    @rule(at=where)
    def cases_are_taken_on(self, at: int) -> None:
        self.take_on(at)

    @rule(at=where, count=st.integers(2, 5))
    def several_are_asked_at_once(self, at: int, count: int) -> None:
        self.ask_several(at, count)

    @rule()
    def everybody_who_is_asked_accepts(self) -> None:
        self.all_accept()

    @rule(data=st.data(), at=where)
    def somebody_goes_on(self, data: st.DataObject, at: int) -> None:
        for _ in range(FORWARD):
            seen = self._scene(data, at)
            self.do(forward(seen), seen, at)

    @precondition(lambda self: self.ledger.done)
    @rule(data=st.data(), at=where)
    def client_asks_again_what_was_done(self, data: st.DataObject, at: int) -> None:
        known = list(self.ledger.done.values())
        ask, first = known[-1 - data.draw(st.integers(0, min(len(known), 90) - 1), "back")]
        before = self.world.log.count
        again = self.loop.run(answered(self.replicas[at], ask))
        assert again.done is not None, again
        assert (again.done.repeated, again.done.logged) == (True, first)
        assert self.world.log.count == before

    @precondition(lambda self: self.ledger.unknown)
    @rule(at=where)
    def client_asks_again_what_is_unknown(self, at: int) -> None:
        ask = next(iter(self.ledger.unknown.values()))
        self.ledger.note(self.loop.run(answered(self.replicas[at], ask)))

    @rule(at=where, fates=st.lists(st.sampled_from(Fate), min_size=1, max_size=6))
    def line_goes_bad(self, at: int, fates: list[Fate]) -> None:
        self.replicas[at].line.fates = list(fates)

    @rule(at=where, settled=st.booleans())
    def leader_changes(self, at: int, settled: bool) -> None:  # noqa: FBT001
        self.replicas[at].line.settled = settled

    @precondition(lambda self: self.world.late)
    @rule()
    def what_was_late_arrives(self) -> None:
        self.loop.run(self.world.deliver_late())

    @rule(seconds=st.sampled_from(PASSES_S))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(at=where)
    def process_starts_anew(self, at: int) -> None:
        self.replicas[at] = self.world.open()

    @precondition(lambda self: self.auditor.titles)
    @rule(data=st.data(), at=where)
    def somebody_reads_a_case(self, data: st.DataObject, at: int) -> None:
        here = self.head().cases
        if not here:
            return
        case = data.draw(st.sampled_from(here), "case")
        reading = self.replicas[at].ownership.case(TENANT, whole(WHO, case.own))
        who, placed, read = self.loop.run(reading)
        title = self.auditor.titles[case.own]
        assert (who, read.owner, read.epoch) == (WHO, title.owner, title.epoch)
        assert placed.story == self.head()

    @invariant()
    def all_promises_hold(self) -> None:
        self.check()

    def _scene(self, data: st.DataObject, at: int) -> Scene:
        if not self.head().cases:
            self.tell(1000 + self.number, "order", at)
        return self.scene(data)

    def heal(self) -> None:
        super().heal()
        for own in tuple(self.told)[-TOLD_AGAIN_MAX:]:
            before = self.world.log.count
            again = self.receive(self.commands[own], self.replicas[1])
            assert again is not None
            assert (again.repeated, again.event) == (True, self.told[own])
            assert self.world.log.count == before


TestOwnership = OwnershipMachine.TestCase
TestOwnership.settings = runs(examples=32, steps=30)
