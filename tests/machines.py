"""What the state machines of ownership share: replicas, an auditor, a ledger, and a story."""

from datetime import datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from tests.auditor import Auditor, Ledger, only_fences
from tests.deeds import DEEDS, NAMES, Scene, scene
from tests.replicas import Answered, Loop, Replica, Replicas, answered
from tests.tellers import (
    ENGINE,
    GATEWAY,
    RULES,
    TENANT,
    agent,
    contact,
    customer,
    offer,
    words,
)
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import CustomerId, Own
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.events import CaseClosed, ContactReceived
from toldonce.kernel.story.fold import fold
from toldonce.kernel.story.types import Case, CaseState, Story
from toldonce.ownership.core import Command, Rules
from toldonce.ownership.core.commands import AcceptOffer, ReceiveContact
from toldonce.ownership.handler import Received
from toldonce.runtime.history import chain_of

WHO = customer()


class StoryMachine(RuleBasedStateMachine):
    """The plain functions under the rules; each rule names which replica hears it."""

    law: Rules = RULES

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.world = Loop(), Replicas(rules=self.law)
        self.replicas = [self.world.open(), self.world.open()]
        self.auditor, self.ledger = Auditor(self.world.log), Ledger()
        self.told: dict[Own, ContactReceived] = {}
        self.commands: dict[Own, ReceiveContact] = {}
        self.number = 0

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def head(self, of: str = WHO) -> Story:
        """Give a story as it stands in the log."""
        self.loop.run(self.auditor.look())
        return self.auditor.head(of)

    def check(self) -> None:
        """Hold the log against the promises, and against what the clients were told."""
        self.loop.run(self.auditor.look())
        self.ledger.check(self.auditor)

    def teardown(self) -> None:
        try:
            self.heal()
            self.check()
            self.finish()
            self.refold()
        finally:
            self.loop.run(self.world.keys.close())
            self.loop.close()

    def heal(self) -> None:
        """Bring the lines back: then nothing stays unknown."""
        self.loop.run(self.world.deliver_late())
        for replica in self.replicas:
            replica.line.fates, replica.line.settled = [], True
        for ask in list(self.ledger.unknown.values()):
            self.ledger.note(self.loop.run(answered(self.replicas[0], ask)))
        assert not self.ledger.unknown

    def finish(self) -> None:
        """Check what only shows at the end."""

    def refold(self) -> None:
        """Fold every subject from nothing."""
        for who, head in self.auditor.heads.items():
            chain = self.loop.run(chain_of(self.world.log, TENANT, who))
            assert fold(logged.record for logged in chain) == head

    def tell(self, number: int, topic: str, at: int, *, of: str = WHO) -> Received | None:
        """Tell a contact, the first time or again: the answer is always the first one."""
        made = contact(number, topic=topic)
        command = self.commands.setdefault(made.contact, made)
        received = self.receive(command, self.replicas[at], of=of)
        if received is not None:
            first = self.told.setdefault(command.contact, received.event)
            assert received.event == first
        return received

    def receive(
        self, command: ReceiveContact, replica: Replica, *, of: str = WHO
    ) -> Received | None:
        """Take a contact in; None: it is not known whether that was done."""
        ask = self.world.ask(of, command, GATEWAY, operation=command.contact, words=words())
        fresh = CustomerId(customer("fresh", int.from_bytes(command.contact.encode()) % 999))
        try:
            return self.loop.run(replica.ownership.receive(ask, fresh))
        except Unavailable:
            return None

    def scene(self, data: st.DataObject, *, of: str = WHO) -> Scene:
        """Draw what somebody has before them."""
        story = self.head(of)
        self.number += 1
        return scene(
            data,
            story,
            ended=self.ended(of),
            contacts=list(self.told),
            now=self.now,
            number=self.number,
        )

    def ended(self, of: str) -> list[Own]:
        """Name the cases that were closed in a story."""
        return [
            event.case
            for logged in self.auditor.records
            for event in logged.record.events
            if isinstance(event, CaseClosed) and logged.record.customer == of
        ]

    def do(self, deed: str, seen: Scene, at: int, *, of: str = WHO) -> Answered:
        """Do a deed of the list; what comes of it is judged."""
        command, by, said = DEEDS[deed](seen)
        ask = self.world.ask(of, command, by, words=said)
        ended = self.loop.run(answered(self.replicas[at], ask))
        self.ledger.note(ended)
        written = self.loop.run(self.auditor.look())
        if ended.unknown:
            return ended
        if ended.done is None or ended.done.logged is None:
            assert only_fences(written)
            return ended
        assert ended.done.logged in written  # perhaps a repeat: of a try nobody had heard of
        assert ended.done.placed.story == self.auditor.head(ended.done.logged.record.customer)
        return ended

    def take_on(self, at: int, *, of: str = WHO) -> None:
        """Let each case that waits be offered and accepted."""
        for case in self.head(of).cases:
            if case.owner or case.offers or case.state is CaseState.CLOSED:
                continue
            self.number += 1
            name = NAMES[self.number % len(NAMES)]
            made = offer(case.own, name, now=self.now, number=self.number, epoch=case.epoch)
            accept = AcceptOffer(made.offer, case.epoch, b"")
            self.say(made, ENGINE, at, of=of)
            self.say(accept, agent(name), at, of=of)

    def ask_several(self, at: int, count: int, *, of: str = WHO) -> None:
        """Let each case that waits be offered to so many at once."""
        for case in self.head(of).cases:
            if case.owner or case.offers or case.state is CaseState.CLOSED:
                continue
            for name in NAMES[:count]:
                self.number += 1
                made = offer(
                    case.own,
                    name,
                    now=self.now,
                    number=self.number,
                    epoch=case.epoch,
                    round_of=count,
                )
                self.say(made, ENGINE, at, of=of)

    def all_accept(self, *, of: str = WHO) -> None:
        """Let everybody who is asked accept, on one replica and the other in turn."""
        for case in self.head(of).cases:
            digest = case.handoff.context_hash if case.handoff else b""
            for number, live in enumerate(case.offers):
                accept = AcceptOffer(live.own, case.epoch, digest)
                self.say(accept, agent(live.agent), number % 2, of=of)

    def say(self, command: Command, who: Principal, at: int, *, of: str = WHO) -> None:
        """Have a command done, and note what the asker was told."""
        ask = self.world.ask(of, command, who)
        self.ledger.note(self.loop.run(answered(self.replicas[at], ask)))

    def case(self, own: str, of: str = WHO) -> Case:
        """Give a case that must be there."""
        found = self.head(of).case(own)
        assert found is not None
        return found
