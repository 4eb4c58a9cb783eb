"""Ownership: every command to a story comes through here, and every answer about one.

A command follows a story that has moved. A contact is taken in once: a repeat gets the first
answer, and what a full story cannot hold goes to a fresh one, marked in the first.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from toldonce.kernel.clocks import Moment
from toldonce.kernel.errors import Invalid, Missing, Problem, Refusal, Rejected, Unavailable
from toldonce.kernel.ids import CustomerId, Own, customer_of, derive, own_of, whole
from toldonce.kernel.story.events import (
    ContactReceived,
    ContactWords,
    EnvelopeWords,
    Words,
)
from toldonce.kernel.story.record import Logged, Placed, Record
from toldonce.kernel.story.ring import times
from toldonce.kernel.story.types import Case, CaseState, Story
from toldonce.ownership.core import Command, Rules
from toldonce.ownership.core.commands import (
    BeginHandoff,
    DivertContact,
    Escalate,
    FireTimer,
    Forget,
    MoveOut,
    ReceiveContact,
    ReopenCase,
    SplitCase,
)
from toldonce.ownership.handler import past
from toldonce.ownership.handler.context import Context
from toldonce.ownership.handler.forgetting import Forgetting
from toldonce.ownership.handler.moves import MOVES_MAX, Moves
from toldonce.ownership.handler.recorder import Ask
from toldonce.ownership.handler.stories import Stories
from toldonce.ownership.handler.writer import Done, Writer

type RulesOf = Callable[[str], Awaitable[Rules]]


@dataclass(frozen=True, slots=True)
class Received:
    """A contact as it was first taken in: who, where, what they were told at once.

    `moved` is the case it is in now, when a split or a merge took it elsewhere.
    """

    customer: CustomerId
    event: ContactReceived
    logged: Logged
    words: ContactWords | None
    story: Story
    repeated: bool
    moved: Own = Own("")  # noqa: RUF009 - a new type of str


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
        self._moves = Moves(stories, self.do)
        self.find = self._moves.find
        self.link = self._moves.link
        self.forgetting = Forgetting(stories, do=self.do, find=self.find, destroy=context.destroy)

    async def do(self, ask: Ask) -> Done:
        """Do one command once. Raises Invalid, Rejected, Missing, Exhausted or Unavailable."""
        rules = await self._rules(ask.tenant)
        _complete(ask, rules)
        for _ in range(MOVES_MAX):
            try:
                return await self._writer.write(ask, rules, self._prepare(ask))
            except Rejected as no:
                if no.reason == "MOVED" and not isinstance(ask.command, MoveOut):
                    ask = replace(ask, customer=(await self.find(ask.tenant, ask.customer))[0])
                    continue
                if no.reason == "OFFER_GONE":
                    gone = await self._offer_gone(ask)
                    if gone is None:
                        continue  # it was made after it had been looked for: it can be ended
                    raise gone from None
                raise
            except Missing as no:
                raise await self._case_gone(ask, no) from None
        raise Unavailable("the story is changing; ask again", operation_id=ask.by.operation)

    async def receive(self, ask: Ask, fresh: CustomerId, *, divert: bool = False) -> Received:
        """Take a contact in once; `fresh` is the story it gets when its own cannot hold it.

        `divert`: its alias is shared by many, so it goes there unless it came in before.
        """
        command = ask.command
        if not isinstance(command, ReceiveContact):
            raise Invalid("command", "wanted a contact")
        for _ in range(MOVES_MAX):
            try:
                if divert and ask.customer != fresh:
                    await self._not_told_yet(ask, command)
                    await self._divert(ask, command, fresh, "SHARED_ALIAS")
                    ask = replace(ask, customer=fresh)
                done = await self.do(ask)
            except past.ToldBefore as before:
                if before.diverted_to:
                    ask, divert = replace(ask, customer=before.diverted_to), False
                    continue
                return await self._repeated(ask.tenant, before)
            except Rejected as no:
                if no.reason not in {"TOO_MANY_CASES", "QUARANTINED"} or ask.customer == fresh:
                    raise
                await self._divert(ask, command, fresh, no.reason)
                ask = replace(ask, customer=fresh)
                continue
            if done.logged is None:
                raise Unavailable("ask again", operation_id=ask.by.operation)
            if done.repeated:
                event = _received(done.logged.record)
                return await self._repeated(ask.tenant, past.ToldBefore(done.logged, event, ""))
            return Received(
                CustomerId(done.logged.record.customer),
                _received(done.logged.record),
                done.logged,
                ask.words if isinstance(ask.words, ContactWords) else None,
                done.placed.story,
                repeated=False,
            )
        raise Unavailable("the story is being moved; ask again", operation_id=ask.by.operation)

    async def case(self, tenant: str, case_id: str) -> tuple[CustomerId, Placed, Case]:
        """Read a case, open or ended; raises Missing."""
        who, placed = await self.find(tenant, customer_of(case_id))
        own = Own(own_of(case_id))
        found = placed.story.case(own)
        if found is None:
            found = past.case_ended(await self.stories.history(tenant, who), own)
        if found is None:
            raise self.stories.missing("case", "there is no case of this id")
        return who, placed, found

    async def contact(self, tenant: str, contact_id: str) -> Received:
        """Read how a contact was taken in; raises Missing."""
        who, own = customer_of(contact_id), Own(own_of(contact_id))
        for _ in range(MOVES_MAX):
            who, _ = await self.find(tenant, who)
            history = await self.stories.history(tenant, who)
            told = past.contact(history, own)
            if told is None:
                raise self.stories.missing("contact", "there is no contact of this id")
            if not told.diverted_to:
                moved = past.whereabouts(history)[own]
                return replace(await self._repeated(tenant, told), moved=moved)
            who = CustomerId(told.diverted_to)
        raise Unavailable("the story is being moved; ask again")

    def _prepare(self, ask: Ask) -> Callable[[Placed, Command], Awaitable[Command]]:
        async def history() -> tuple[Logged, ...]:
            return await self.stories.history(ask.tenant, ask.customer)

        async def prepare(placed: Placed, command: Command) -> Command:
            match command:
                case BeginHandoff():
                    digest = await self.context.hash(ask.tenant, ask.customer, placed.sequence)
                    return replace(command, context_sequence=placed.sequence, context_hash=digest)
                case (
                    Escalate(case=case, rung=rung) | FireTimer(case=case, moment=Moment(rung=rung))
                ) if _hands_over(placed.story.case(case), command, rung):
                    digest = await self.context.hash(ask.tenant, ask.customer, placed.sequence)
                    return replace(command, context_sequence=placed.sequence, context_hash=digest)
                case ReceiveContact(thread=thread):
                    await self._look_back(ask.tenant, ask.customer, placed.story, command)
                    present = placed.story.case(thread)
                    if not thread or not placed.story.messages:
                        return command
                    if present is not None and present.state is not CaseState.CLOSED:
                        return command
                    told = await history()
                    thread = past.goes_on(told, thread)
                    return replace(command, thread=thread, closed=past.ended(told, thread))
                case ReopenCase(case) if placed.story.messages:
                    return replace(command, closed=past.ended(await history(), case))
                case SplitCase(case, contacts=chosen) if placed.story.messages:
                    latest, others = past.chosen(await history(), case, chosen)
                    return replace(command, latest=latest, others=others)
                case Forget() if placed.story.messages:
                    return replace(command, keys=past.keys_of(await history()))
                case _:
                    return command

        return prepare

    async def _not_told_yet(self, ask: Ask, command: ReceiveContact) -> None:
        who, placed = await self.find(ask.tenant, ask.customer)
        await self._look_back(ask.tenant, who, placed.story, command)

    async def _look_back(
        self, tenant: str, customer: str, story: Story, command: ReceiveContact
    ) -> None:
        """Raise ToldBefore when the contact came before, by the head or, where it may hide, behind.

        Raises Rejected QUARANTINED when the history cannot be read.
        """
        floor, own = story.contact_floor_at, command.contact
        known = bool(times(story.contacts, own))
        if not known and (floor is None or command.made_at > floor):
            return
        history = await self.stories.history(tenant, customer)
        told = past.contact(history, own)
        if told is not None:
            raise told
        cut_at = past.cut_at(history)
        if cut_at is not None and (known or command.made_at <= cut_at):
            raise Rejected(
                "MADE_BEFORE_RETENTION",
                "it was made before the oldest story kept, so a repeat could not be recognised",
            )

    async def _repeated(self, tenant: str, told: past.ToldBefore) -> Received:
        """Give the first answer again."""
        record = told.logged.record
        words = await self.context.words(record) or {}
        said = next((of for of in words.values() if isinstance(of, ContactWords)), None)
        _, placed = await self.find(tenant, record.customer)
        who, event = CustomerId(record.customer), told.event or _received(record)
        return Received(who, event, told.logged, said, placed.story, repeated=True)

    async def _divert(
        self, ask: Ask, command: ReceiveContact, fresh: CustomerId, reason: str
    ) -> None:
        if reason == "QUARANTINED":
            return
        mark = DivertContact(command.contact, command.made_at, fresh, reason)
        operation = Own(derive("divert", command.contact))
        await self.do(Ask(ask.tenant, ask.customer, mark, replace(ask.by, operation=operation)))

    async def _offer_gone(self, ask: Ask) -> Refusal | None:
        offer = Own(getattr(ask.command, "offer", ""))
        return past.offer_gone(await self.stories.history(ask.tenant, ask.customer), offer)

    async def _case_gone(self, ask: Ask, no: Missing) -> Exception:
        history = await self.stories.history(ask.tenant, ask.customer)
        for part in ("case", "merged"):
            own = Own(getattr(ask.command, part, ""))
            into = past.goes_on(history, own)
            if into != own:
                on = whole(CustomerId(ask.customer), into)
                return Rejected("CASE_CLOSED", f"the case was merged; it goes on in {on}")
            ended = past.case_ended(history, own)
            if ended is not None:
                said = f"the case has ended ({ended.disposition}); reopen it first"
                return Rejected("CASE_CLOSED", said)
        return no


def _received(record: Record) -> ContactReceived:
    return next(event for event in record.events if isinstance(event, ContactReceived))


def _hands_over(case: Case | None, command: Escalate | FireTimer, rung: int) -> bool:
    """Tell whether climbing to `rung` may hand the case over: then its context is needed."""
    if case is None or not case.owner:
        return False
    if isinstance(command, Escalate):
        return not rung or rung > case.rung
    return rung > case.rung


def _complete(ask: Ask, rules: Rules) -> None:
    """Check that a handoff's envelope has the parts the tenant requires."""
    if not isinstance(ask.command, BeginHandoff):
        return
    words: Words | None = ask.words
    envelope = words if isinstance(words, EnvelopeWords) else EnvelopeWords("", "", "", "", "", "")
    fields = ["told_customer" if part == "told" else part for part in rules.envelope_required]
    lacking = [field for field in fields if not getattr(envelope, field).strip()]
    if lacking:
        said = f"the envelope needs: {', '.join(lacking)}"
        more = (Problem(f"envelope.{field}", "it is required") for field in lacking[1:])
        raise Invalid(f"envelope.{lacking[0]}", said, *more)
