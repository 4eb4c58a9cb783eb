"""Ownership: every command to a story comes through here, and every answer about one.

A command follows a story that has moved. A contact is taken in once: a repeat gets the first
answer, and what a full story cannot hold goes to a fresh one, marked in the first.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from toldonce.kernel.errors import Invalid, Missing, Rejected, Unavailable
from toldonce.kernel.ids import CustomerId, Own, customer_of, derive, own_of
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    ContactReceived,
    ContactWords,
    EnvelopeWords,
    Moved,
    Words,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged, Placed
from toldonce.kernel.story.types import EMPTY, Case, Story
from toldonce.ownership.core import Asked, Command, Rules
from toldonce.ownership.core.commands import (
    Absorb,
    BeginHandoff,
    DivertContact,
    Escalate,
    MoveOut,
    ReceiveContact,
    ReopenCase,
)
from toldonce.ownership.core.moves import survivor
from toldonce.ownership.handler import past
from toldonce.ownership.handler.context import Context
from toldonce.ownership.handler.recorder import Ask
from toldonce.ownership.handler.stories import Stories
from toldonce.ownership.handler.writer import Done, Writer

MOVES_MAX = 8

type RulesOf = Callable[[str], Awaitable[Rules]]


@dataclass(frozen=True, slots=True)
class Received:
    """A contact as it was first taken in: who, where, what they were told at once."""

    customer: CustomerId
    event: ContactReceived
    logged: Logged
    words: ContactWords | None
    story: Story
    repeated: bool


class Ownership:
    """The one handler of stories."""

    def __init__(
        self, *, writer: Writer, stories: Stories, context: Context, rules: RulesOf
    ) -> None:
        """`rules(tenant)` gives the rules in force."""
        self._writer = writer
        self.stories = stories
        self.context = context
        self._rules = rules

    async def do(self, ask: Ask) -> Done:
        """Do one command once. Raises Invalid, Rejected, Missing, Exhausted or Unavailable."""
        rules = await self._rules(ask.tenant)
        _complete(ask, rules)
        for _ in range(MOVES_MAX):
            try:
                return await self._writer.write(ask, rules, self._prepare(ask))
            except Rejected as no:
                if no.reason == "MOVED" and not isinstance(ask.command, MoveOut):
                    ask = replace(ask, customer=await self._moved_to(ask.tenant, ask.customer))
                    continue
                if no.reason == "OFFER_GONE":
                    raise await self._offer_gone(ask) from None
                raise
            except Missing as no:
                raise await self._case_gone(ask, no) from None
        raise Unavailable("the story is being moved; ask again", operation_id=ask.by.operation)

    async def receive(self, ask: Ask, fresh: CustomerId, *, divert: bool = False) -> Received:
        """Take a contact in once; `fresh` is the story it gets when its own cannot hold it.

        `divert`: its alias is shared by many, so it goes there unless it came in before.
        """
        command = ask.command
        if not isinstance(command, ReceiveContact):
            raise Invalid("command", "wanted a contact")
        for _ in range(MOVES_MAX):
            told = await self._told(ask.tenant, ask.customer, command)
            if told is not None and told.diverted_to:
                ask = replace(ask, customer=told.diverted_to)
                continue
            if told is not None and told.event is not None:
                placed = await self.stories.load(ask.tenant, told.logged.record.customer)
                return await self._received(told.logged, told.event, placed.story, repeated=True)
            if divert and ask.customer != fresh:
                await self._divert(ask, command, fresh, "SHARED_ALIAS")
                ask = replace(ask, customer=fresh)
                continue
            try:
                done = await self.do(ask)
            except Rejected as no:
                if no.reason not in {"TOO_MANY_CASES", "QUARANTINED"} or ask.customer == fresh:
                    raise
                await self._divert(ask, command, fresh, no.reason)
                ask = replace(ask, customer=fresh)
                continue
            if done.logged is None:
                raise Unavailable("ask again", operation_id=ask.by.operation)
            event = next(e for e in done.logged.record.events if isinstance(e, ContactReceived))
            if done.repeated:
                return await self._received(done.logged, event, done.placed.story, repeated=True)
            words = ask.words if isinstance(ask.words, ContactWords) else None
            return Received(
                CustomerId(done.logged.record.customer),
                event,
                done.logged,
                words,
                done.placed.story,
                repeated=False,
            )
        raise Unavailable("the story is being moved; ask again", operation_id=ask.by.operation)

    async def find(self, tenant: str, customer: str) -> tuple[CustomerId, Placed]:
        """Read a story through the leader, following where it moved."""
        who = CustomerId(customer)
        for _ in range(MOVES_MAX):
            placed = await self.stories.load(tenant, who)
            if not placed.story.moved_to:
                return who, placed
            who = CustomerId(placed.story.moved_to)
        raise Unavailable("the story is being moved; ask again")

    async def case(self, tenant: str, case_id: str) -> tuple[CustomerId, Placed, Case]:
        """Read a case, open or ended; raises Missing."""
        who, placed = await self.find(tenant, customer_of(case_id))
        own = Own(own_of(case_id))
        found = placed.story.case(own)
        if found is None:
            found = past.case_ended(await self.stories.history(tenant, who), own)
        if found is None:
            raise Missing("case", "there is no case of this id")
        return who, placed, found

    async def contact(self, tenant: str, contact_id: str) -> Received:
        """Read how a contact was taken in; raises Missing."""
        who, own = customer_of(contact_id), Own(own_of(contact_id))
        for _ in range(MOVES_MAX):
            who, placed = await self.find(tenant, who)
            told = past.contact(await self.stories.history(tenant, who), own)
            if told is None:
                raise Missing("contact", "there is no contact of this id")
            if told.event is not None:
                return await self._received(told.logged, told.event, placed.story, repeated=True)
            who = CustomerId(told.diverted_to)
        raise Unavailable("the story is being moved; ask again")

    async def link(self, tenant: str, customers: tuple[str, str], by: Asked) -> CustomerId:
        """Join two stories: the lesser one is frozen and what it held goes to the other."""
        first, one = await self.find(tenant, customers[0])
        second, two = await self.find(tenant, customers[1])
        if first == second:
            return first
        to = CustomerId(survivor((first, one.story), (second, two.story)))
        source, target = (second, one) if to == first else (first, two)
        move = MoveOut(to, arriving=len(target.story.cases))
        await self.do(Ask(tenant, source, move, by))
        await self.complete_move(tenant, source, to)
        return to

    async def complete_move(self, tenant: str, source: str, to: str) -> None:
        """Write the counterpart of a `Moved`, once, whoever meets it."""
        chain = await self.stories.history(tenant, source)
        story = EMPTY
        for logged in chain:
            if logged.record.customer != source:
                continue
            if any(isinstance(event, Moved) for event in logged.record.events):
                operation = Own(derive("absorb", source, logged.sequence))
                absorb = Absorb(source, logged.sequence, story)
                by = Asked(operation, Principal(tenant, Role.SERVICE, "ownership"))
                await self.do(Ask(tenant, to, absorb, by))
                return
            story = apply(story, logged.record)

    def _prepare(self, ask: Ask) -> Callable[[Placed, Command], Awaitable[Command]]:
        async def prepare(placed: Placed, command: Command) -> Command:
            match command:
                case BeginHandoff():
                    digest = await self.context.hash(ask.tenant, ask.customer, placed.sequence)
                    return replace(command, context_sequence=placed.sequence, context_hash=digest)
                case Escalate(case, rung) if _hands_over(placed.story.case(case), rung):
                    digest = await self.context.hash(ask.tenant, ask.customer, placed.sequence)
                    return replace(command, context_sequence=placed.sequence, context_hash=digest)
                case ReopenCase(case) if placed.story.messages:
                    history = await self.stories.history(ask.tenant, ask.customer)
                    return replace(command, closed=past.case_ended(history, case))
                case _:
                    return command

        return prepare

    async def _told(self, tenant: str, customer: str, command: ReceiveContact) -> past.Told | None:
        """Look whether a contact came before, in the head and, where it may hide, behind it."""
        placed = self.stories.cached(tenant, customer)
        if placed is None or placed.story.moved_to:
            _, placed = await self.find(tenant, customer)
        story, own = placed.story, command.contact
        floor = story.contact_floor_at
        known = any(seen.own == own for seen in story.contacts)
        if not known and (floor is None or command.made_at > floor):
            return None
        return past.contact(await self.stories.history(tenant, customer), own)

    async def _received(
        self, logged: Logged, event: ContactReceived, story: Story, *, repeated: bool
    ) -> Received:
        words = await self.context.words(logged.record) or {}
        said = next((of for of in words.values() if isinstance(of, ContactWords)), None)
        who = CustomerId(logged.record.customer)
        return Received(who, event, logged, said, story, repeated)

    async def _divert(
        self, ask: Ask, command: ReceiveContact, fresh: CustomerId, reason: str
    ) -> None:
        if reason == "QUARANTINED":
            return
        mark = DivertContact(command.contact, fresh, reason)
        operation = Own(derive("divert", command.contact))
        await self.do(Ask(ask.tenant, ask.customer, mark, replace(ask.by, operation=operation)))

    async def _moved_to(self, tenant: str, customer: str) -> str:
        placed = await self.stories.load(tenant, customer)
        to = placed.story.moved_to
        if to:
            await self.complete_move(tenant, customer, to)
        return to or customer

    async def _offer_gone(self, ask: Ask) -> Exception:
        offer = Own(getattr(ask.command, "offer", ""))
        return past.offer_gone(await self.stories.history(ask.tenant, ask.customer), offer)

    async def _case_gone(self, ask: Ask, no: Missing) -> Exception:
        own = Own(getattr(ask.command, "case", ""))
        ended = past.case_ended(await self.stories.history(ask.tenant, ask.customer), own)
        if ended is None:
            return no
        return Rejected("CASE_CLOSED", f"the case has ended ({ended.disposition}); reopen it")


def _hands_over(case: Case | None, rung: int) -> bool:
    """Tell whether climbing to `rung` hands the case over: then its context is needed."""
    return case is not None and bool(case.owner) and (not rung or rung > case.rung)


def _complete(ask: Ask, rules: Rules) -> None:
    """Check that a handoff's envelope has the parts the tenant requires."""
    if not isinstance(ask.command, BeginHandoff):
        return
    words: Words | None = ask.words
    envelope = words if isinstance(words, EnvelopeWords) else EnvelopeWords("", "", "", "", "")
    lacking = [
        part
        for part in rules.envelope_required
        if not getattr(envelope, "told_customer" if part == "told" else part)
    ]
    if lacking:
        raise Invalid(f"envelope.{lacking[0]}", f"the envelope needs: {', '.join(lacking)}")
