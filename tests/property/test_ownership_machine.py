"""Two replicas, any commands, a bad line: is there ever more than one owner, or a lost answer?

For long runs: `--hypothesis-profile explore --timeout 0`.
"""

from datetime import datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.auditor import Auditor, Ledger, only_fences
from tests.deeds import DEEDS, Scene, forward, scene
from tests.replicas import Answered, Loop, Replicas, answered, runs
from tests.tellers import GATEWAY, TENANT, contact, customer, words
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import CustomerId, Own, whole
from toldonce.kernel.story.events import CaseClosed, ContactReceived
from toldonce.kernel.story.fold import fold
from toldonce.ownership.core.commands import ReceiveContact
from toldonce.ownership.handler import Received
from toldonce.runtime.history import chain_of
from toldonce.runtime.testing.log import Fate

WHO = customer()
TOPICS = ("order", "invoice", "return", "")
PASSES_S = (1, 10, 21, 61, 130, 90_000)
FULL = tuple(f"topic{number}" for number in range(9))
TOLD_AGAIN_MAX = 8
where = st.integers(0, 1)


class OwnershipMachine(RuleBasedStateMachine):
    """Everybody at once; the model is the auditor's, and what the clients were told."""

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.world = Loop(), Replicas()
        self.replicas = [self.world.open(), self.world.open()]
        self.auditor, self.ledger = Auditor(self.world.log), Ledger()
        self.told: dict[Own, ContactReceived] = {}
        self.commands: dict[Own, ReceiveContact] = {}
        self.number = 0

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    @rule(number=st.integers(1, 20), topic=st.sampled_from(TOPICS), at=where)
    def customer_comes(self, number: int, topic: str, at: int) -> None:
        self._tell(number, topic, at)

    @rule(at=where)
    def customer_comes_about_everything(self, at: int) -> None:
        for place, topic in enumerate(FULL):
            if contact(100 + place).contact not in self.told:
                self._tell(100 + place, topic, at)

    @rule(data=st.data(), at=where)
    def somebody_does_something(self, data: st.DataObject, at: int) -> None:
        seen = self._scene(data)
        self._do(data.draw(st.sampled_from(sorted(DEEDS)), "deed"), seen, at)

    @rule(data=st.data(), at=where)
    def somebody_goes_on(self, data: st.DataObject, at: int) -> None:
        seen = self._scene(data)
        self._do(forward(seen), seen, at)

    @precondition(lambda self: self.ledger.done)
    @rule(data=st.data(), at=where)
    def client_asks_again_what_was_done(self, data: st.DataObject, at: int) -> None:
        known = list(self.ledger.done.values())
        ask, first = known[-1 - data.draw(st.integers(0, min(len(known), 90) - 1), "back")]
        before = self.world.log.count
        again = self.loop.run(answered(self.replicas[at], ask))
        assert again.done is not None, again
        assert again.done.logged is not None
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
        self.loop.run(self.auditor.look())
        here = self.auditor.head(WHO).cases
        if not here:
            return
        case = data.draw(st.sampled_from(here), "case")
        reading = self.replicas[at].ownership.case(TENANT, whole(WHO, case.own))
        who, placed, read = self.loop.run(reading)
        title = self.auditor.titles[case.own]
        assert (who, read.owner, read.epoch) == (WHO, title.owner, title.epoch)
        assert placed.story == self.auditor.head(WHO)

    @invariant()
    def all_promises_hold(self) -> None:
        self.loop.run(self.auditor.look())
        self.ledger.check(self.auditor)

    def teardown(self) -> None:
        try:
            self._heal()
            self.all_promises_hold()
            self._refold()
        finally:
            self.loop.run(self.world.keys.close())
            self.loop.close()

    def _heal(self) -> None:
        """Bring the lines back: then nothing stays unknown and every contact is known."""
        self.loop.run(self.world.deliver_late())
        for replica in self.replicas:
            replica.line.fates, replica.line.settled = [], True
        for ask in list(self.ledger.unknown.values()):
            self.ledger.note(self.loop.run(answered(self.replicas[0], ask)))
        assert not self.ledger.unknown
        for own in tuple(self.told)[-TOLD_AGAIN_MAX:]:
            before = self.world.log.count
            again = self._received(self.commands[own], 1)
            assert again is not None
            assert (again.repeated, again.event) == (True, self.told[own])
            assert self.world.log.count == before

    def _refold(self) -> None:
        for who, head in self.auditor.heads.items():
            chain = self.loop.run(chain_of(self.world.log, TENANT, who))
            assert fold(logged.record for logged in chain) == head

    def _tell(self, number: int, topic: str, at: int) -> None:
        made = contact(number, topic=topic)
        command = self.commands.setdefault(made.contact, made)
        received = self._received(command, at)
        if received is None:
            return
        first = self.told.setdefault(command.contact, received.event)
        assert received.event == first
        assert (received.event.contact, received.logged.record.tenant) == (made.contact, TENANT)

    def _received(self, command: ReceiveContact, at: int) -> Received | None:
        """Take a contact in; None: it is not known whether that was done."""
        ask = self.world.ask(WHO, command, GATEWAY, operation=command.contact, words=words())
        fresh = CustomerId(customer("fresh", int.from_bytes(command.contact.encode()) % 999))
        try:
            return self.loop.run(self.replicas[at].ownership.receive(ask, fresh))
        except Unavailable:
            return None

    def _scene(self, data: st.DataObject) -> Scene:
        self.loop.run(self.auditor.look())
        self.number += 1
        ended = [
            event.case
            for logged in self.auditor.records
            for event in logged.record.events
            if isinstance(event, CaseClosed) and logged.record.customer == WHO
        ]
        return scene(
            data,
            self.auditor.head(WHO),
            ended=ended,
            contacts=list(self.told),
            now=self.now,
            number=self.number,
        )

    def _do(self, deed: str, seen: Scene, at: int) -> None:
        command, by, said = DEEDS[deed](seen)
        ask = self.world.ask(WHO, command, by, words=said)
        ended = self.loop.run(answered(self.replicas[at], ask))
        self.ledger.note(ended)
        self._judge(ended)

    def _judge(self, ended: Answered) -> None:
        written = self.loop.run(self.auditor.look())
        if ended.unknown:
            return
        if ended.done is None or ended.done.logged is None:
            assert only_fences(written)
            return
        assert not ended.done.repeated
        assert ended.done.logged in written
        assert ended.done.placed.story == self.auditor.head(WHO)


TestOwnership = OwnershipMachine.TestCase
TestOwnership.settings = runs(examples=50, steps=40)
