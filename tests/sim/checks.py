"""What must hold of everything that happened, read from the log alone and from what people heard.

`I1` to `I12` are the invariants of the reliability notes, `P8` to `P10` those of the promises. The
checks use none of the services' code but the codec, the fold (which is itself checked against each
head) and the pure policy; the journal alone is gone through by the engine itself.
"""

from collections import Counter
from typing import Any

from tests.sim import checks_asked, checks_capacity, checks_journal, checks_once, checks_story
from tests.sim.book import Book
from tests.sim.world import World
from toldonce.kernel.context import context_hash, items
from toldonce.kernel.ids import derive
from toldonce.kernel.story.events import (
    Absorbed,
    ContactReceived,
    EntryAppended,
    EntryKind,
    Forgotten,
    HandoffBegun,
    Moved,
    OfferAccepted,
)
from toldonce.kernel.story.record import Logged

Found = list[tuple[str, str]]
_EXPECTED = (
    "ownership refuses a timer",
    "a message cannot be read",
    "heads not written",
    "answers cannot be found",
    "an answer cannot be read",
)


def expected(sentence: str) -> bool:
    """Whether a line of the error log is one that bad weather explains."""
    return sentence.startswith(_EXPECTED)


def everything(world: World, checked: Counter[str]) -> Found:
    """Check the whole history; count in `checked` what was looked at."""
    book = world.book.catch_up()
    checked["messages"] += len(book.all)
    found: Found = []
    for key, story in book.stories.items():
        found += checks_story.check(key, story, world.config(), checked)
    found += _stored_late(book)
    found += checks_asked.check(world, book, checked)
    found += checks_once.check(world, book, checked)
    found += checks_capacity.check(book, checked)
    found += checks_journal.check(world, checked)
    found += _contacts(world, book, checked)
    found += _moves(book, checked)
    found += _handoffs(world, book, checked)
    found += _outbox(world, book, checked)
    return found


def _stored_late(book: Book) -> Found:
    """I8: nothing is recorded as due when the server's own clock says that it was not."""
    return [
        ("I8", f"message {stored.sequence} was recorded {ahead:.3f} s before its time")
        for stored, logged in zip(book.stored, book.all, strict=True)
        for ahead in (checks_story.early_s(logged, stored.stored_at),)
        if ahead > checks_story.CLOCKS_S
    ]


def _contacts(world: World, book: Book, checked: Counter[str]) -> Found:
    """I3 for contacts: each that was acknowledged was taken in exactly once."""
    found: Found = []
    taken: dict[tuple[str, str], int] = Counter()
    kept_in: dict[tuple[str, str], tuple[str, Any]] = {}
    for logged in book.all:
        for event in logged.record.events:
            if isinstance(event, ContactReceived):
                taken[logged.record.tenant, event.contact] += 1
                record = logged.record
                kept_in[record.tenant, event.contact] = (record.customer, record.key)
    for (tenant, contact), count in taken.items():
        checked["contacts"] += 1
        if count > 1:
            found.append(("I3", f"contact {contact} of {tenant} was taken in {count} times"))
    forgot = {ref for logged in book.all for ref in _destroyed(logged)}
    stories = _forgotten(book).keys()
    for told in world.told.values():
        for ack in told.acks:
            fixed = ack.fixed
            if not taken.get((told.tenant, fixed.contact_id[26:])):
                found.append(("I1", f"contact {fixed.contact_id} was acknowledged and is lost"))
            story, key = kept_in.get((told.tenant, fixed.contact_id[26:]), ("", None))
            who = {(told.tenant, story), (told.tenant, fixed.customer_id)}
            gone = (told.tenant, key) in forgot or bool(who & stories)
            if not _alike(told.acks[0].fixed, fixed, forgotten=gone):
                found.append(("I3", f"submission {told.message_id} was answered in two ways"))
    return found


def _alike(first: Any, again: Any, *, forgotten: bool) -> bool:
    """Tell whether a repeat was answered as the first was; of the forgotten no word is left."""
    if not forgotten or again.text:
        return bool(first == again)
    without = type(first).FromString(first.SerializeToString())
    without.ClearField("text")
    return bool(without == again)


def _destroyed(logged: Logged) -> list[Any]:
    """Name the keys an append says are destroyed."""
    forgotten = [event for event in logged.record.events if isinstance(event, Forgotten)]
    return [(logged.record.tenant, ref) for event in forgotten for ref in event.keys]


def _forgotten(book: Book) -> dict[tuple[str, str], int]:
    """Say where each story that was forgotten, itself or in what it came to, says so last."""
    found: dict[tuple[str, str], int] = {}
    came: dict[tuple[str, str], set[str]] = {}
    for logged in book.all:
        key = tenant, customer = logged.record.tenant, logged.record.customer
        for event in logged.record.events:
            if isinstance(event, Absorbed):
                further = came.get((tenant, event.source), set())
                came.setdefault(key, {customer}).update({event.source}, further)
            elif isinstance(event, Forgotten):
                for one in came.get(key, {customer}):
                    found[tenant, one] = logged.sequence
    return found


def _moves(book: Book, checked: Counter[str]) -> Found:
    """Every `Moved` has its one counterpart, and what came has a higher epoch."""
    found: Found = []
    absorbed: Counter[tuple[str, str]] = Counter()
    for logged in book.all:
        for event in logged.record.events:
            if isinstance(event, Absorbed):
                absorbed[logged.record.tenant, event.source] += 1
    for (tenant, customer), story in book.stories.items():
        moved = [e for one in story for e in one.record.events if isinstance(e, Moved)]
        checked["moves"] += len(moved)
        arrived = absorbed[tenant, customer]
        if len(moved) > 1 or arrived != len(moved):
            lost = arrived < len(moved) < 2
            times = f"moved {len(moved)} times and arrived {arrived} times"
            found.append(("I1" if lost else "I3", f"story {customer} of {tenant} {times}"))
    return found


def _handoffs(world: World, book: Book, checked: Counter[str]) -> Found:
    """I9: what was handed over, what the receiver read and what the log holds are the same."""
    found: Found = []
    begun: dict[tuple[str, str], HandoffBegun] = {}
    story: dict[tuple[str, str], str] = {}
    forgot = _forgotten(book)
    for logged in book.all:
        tenant = logged.record.tenant
        for event in logged.record.events:
            if isinstance(event, HandoffBegun):
                begun[tenant, event.handoff] = event
                story[tenant, event.handoff] = logged.record.customer
                digest = _hash_of(world, book, tenant, logged.record.customer, event)
                checked["contexts forgotten"] += digest is None
                if digest not in {None, event.context_hash}:
                    found.append(("I9", f"handoff {event.handoff} names another context"))
            elif isinstance(event, OfferAccepted) and event.handoff:
                checked["handoffs"] += 1
                if (tenant, event.handoff) not in begun:
                    found.append(("I9", f"handoff {event.handoff} was accepted and never begun"))
    for tenant, who, handoff, upto, digest in world.hashes:
        wanted = begun.get((tenant, handoff))
        if wanted is None or (story[tenant, handoff], wanted.context_sequence) != (who, upto):
            continue  # the story has moved meanwhile, and the handoff has ended with that
        if forgot.get((tenant, who), 0) > upto:
            continue  # it has ended with the story
        checked["contexts"] += 1
        if wanted.context_hash != digest:
            found.append(("I9", f"the receiver of handoff {handoff} read another context"))
    return found


def _hash_of(
    world: World, book: Book, tenant: str, customer: str, event: HandoffBegun
) -> bytes | None:
    """Hash a story as it was up to the handoff, stories that had come to it included.

    None: what was said is forgotten, and nobody had read it before.
    """
    told, waiting, seen = [], [(customer, event.context_sequence)], {customer}
    while waiting:
        who, limit = waiting.pop()
        for logged in book.stories.get((tenant, who), ()):
            if logged.sequence > limit:
                break
            told.append(logged)
            for one in logged.record.events:
                if isinstance(one, Absorbed) and one.source not in seen:
                    seen.add(one.source)
                    waiting.append((one.source, one.source_sequence))
    told.sort(key=lambda logged: logged.sequence)
    timeline: list[Any] = []
    gone = {ref for logged in told for ref in _destroyed(logged)}
    for logged in told:
        hidden = bool(logged.record.sealed) and (tenant, logged.record.key) in gone
        words = None if hidden else world.words(logged)
        if words is None and not hidden:
            return None
        timeline += items(logged, words)
    return context_hash(timeline)


def _outbox(world: World, book: Book, checked: Counter[str]) -> Found:
    """P10: an answer that was accepted has reached its gateway, or whom it was for is forgotten."""
    found: Found = []
    forgot = _forgotten(book)
    for logged in book.all:
        for event in logged.record.events:
            if isinstance(event, EntryAppended) and event.kind is EntryKind.MESSAGE_OUT:
                checked["answers"] += 1
                tenant = logged.record.tenant
                got = world.delivered.get((tenant, event.gateway), set())
                if logged.sequence < forgot.get((tenant, logged.record.customer), 0):
                    continue
                if logged.record.customer + event.entry not in got:
                    found.append(("P10", f"answer {event.entry} of {tenant} was not delivered"))
    return found


def operation_of_contact(contact: str) -> str:
    """Name the operation that takes a contact in."""
    return derive("receive", contact)
