"""Fills the log in memory with stories of three open matters each, told as they would have been.

A kind of story is told once, event by event through the real fold and codec; the stories of that
kind then only get ids and a chain of their own. The latest matter of each has waited an hour, was
warned of, and is about to be late; the other two, and a promise, have days left. Of each matter
three clocks run, so each story has ten timers to come, one of them soon. Kinds follow each other by
20 ms, so what is due comes as evenly.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from loadtests.timers.due import due_by, warning_of
from toldonce.api.events.v1 import events_pb2
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own, decode, encode
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import (
    CaseOpened,
    CommitmentMade,
    ContactReceived,
    Event,
    SlaWarned,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import EMPTY, Case, SkillNeed, Story
from toldonce.runtime import names
from toldonce.runtime.envelope import digest, encode_record
from toldonce.runtime.log import message_id
from toldonce.runtime.testing.log import FakeLog

TENANT = "demo"
SOON, LATER = "orders", "general"
MATTERS = 3
TIMERS = 3 * MATTERS + 1  # of each the wait for an agent, for an answer, for its end; a promise
PROMISED = timedelta(days=5)
AGE = timedelta(hours=1)
APART = timedelta(hours=1)
STEP = timedelta(milliseconds=20)
WORDS_BYTES = 300
_NOBODY = bytes(range(0xA1, 0xAF))  # stands for the story in every id of its own
_STORY = encode(bytes(range(0x61, 0x71)))
_CASE, _CONTACT, _ENTRY, _OPERATION, _PROMISE = range(1, 6)

_DOCUMENT = """\
version: 1
tenant: Load
languages: [en]
skills: [help]
channels:
  - {{name: email, kind: email, cost: 1, reply: true, calendar: always, queue: {soon}}}
topics:
  - {{name: order, queue: {soon}, words: {{en: [order]}}}}
queues:
  - {{name: {soon}, calendar: always, sla: soon, policy: plain, dispositions: [answered]}}
  - {{name: {later}, calendar: office, sla: later, policy: plain, dispositions: [answered]}}
policies:
  - {{name: plain, wait_max_s: 864000, offer_timeout_s: 30}}
calendars:
  - name: office
    zone: Europe/Amsterdam
    weekly:
      monday: ["08:30-12:30", "13:00-17:30"]
      tuesday: ["08:30-12:30", "13:00-17:30"]
      wednesday: ["08:30-12:30", "13:00-17:30"]
      thursday: ["08:30-12:30", "13:00-17:30"]
      friday: ["08:30-12:30", "13:00-17:30"]
sla:
  - name: soon
    targets: {{queue_wait_s: {target_s}, first_response_s: 2592000, resolution_s: 5184000}}
    on_breach: {{raise_priority_by: 100}}
  - name: later
    calendar: office
    targets: {{queue_wait_s: 61200, first_response_s: 122400, resolution_s: 244800}}
    on_breach: {{raise_priority_by: 100}}
agents:
  - {{name: anna, capacity_units: 8, languages: {{en: 5}}, skills: {{help: 5}}}}
"""


def document(target_s: int) -> str:
    """Write the policy: the latest matters are late after so many seconds, all day and night."""
    return _DOCUMENT.format(soon=SOON, later=LATER, target_s=target_s)


@dataclass(frozen=True, slots=True)
class Kind:
    """A story as messages, with the ids of nobody in them; `case` is the matter due soon."""

    payloads: tuple[bytes, ...]
    head: Story
    case: Case


@dataclass(frozen=True, slots=True)
class Filled:
    """The stories in the log: how many, and of each kind whose they are."""

    stories: int
    last: int
    kinds: Sequence[tuple[Case, Sequence[int]]]

    def awaited(self, config: Config, until: datetime) -> dict[tuple[str, str], datetime]:
        """Give every timer that is due by then, by customer and own id."""
        return {
            (customer_of(number), due.own): due.at
            for case, numbers in self.kinds
            for number in numbers
            for due in due_by(replace(case, own=_soon(number)), config, until)
        }


def kind(soon_at: datetime) -> Kind:
    """Tell a story whose latest matter came in at `soon_at`."""
    story, payloads = EMPTY, list[bytes]()
    told: list[tuple[datetime, tuple[Event, ...]]] = []
    for matter in range(1, MATTERS + 1):
        at = soon_at - (MATTERS - matter) * APART
        queue = SOON if matter == MATTERS else LATER
        told.append((at, (_opened(matter, queue), _contact(matter, at))))
    first, promise = _own(_NOBODY, _CASE, 1), _own(_NOBODY, _PROMISE, 1)
    told.append((soon_at, (CommitmentMade(promise, first, "", soon_at + PROMISED),)))
    last = _own(_NOBODY, _CASE, MATTERS)
    warned = SlaWarned(last, warning_of(last, soon_at), ClockKind.QUEUE_WAIT, soon_at + AGE)
    told.append((soon_at + 0.8 * AGE, (warned,)))
    for number, (at, events) in enumerate(told):
        record = _record(number, at, events)
        story = apply(story, record)
        payloads.append(encode_record(replace(record, head=story)))
    return Kind(tuple(payloads), story, story.cases[-1])


def customer_of(number: int) -> str:
    """Name the customer of a story."""
    return encode(_raw("customer", number))


def story_of(number: int, made_of: Kind, first: int) -> list[bytes]:
    """Write the messages of a story whose first gets log sequence `first`."""
    part, customer = _part(number), customer_of(number).encode()
    since = made_of.case.waits_from_at
    warning = decode(warning_of(_own(part, _CASE, MATTERS), since))
    placeholder = decode(warning_of(made_of.case.own, since))
    payloads: list[bytes] = []
    for payload in made_of.payloads:
        mine = payload.replace(_NOBODY, part).replace(_STORY.encode(), customer)
        envelope = events_pb2.Envelope.FromString(mine.replace(placeholder, warning))
        if payloads:
            envelope.previous_sequence = first + len(payloads) - 1
            envelope.previous_hash = digest(payloads[-1])
        payloads.append(envelope.SerializeToString(deterministic=True))
    return payloads


async def fill(
    log: FakeLog, stories: int, soon_at: datetime, window: timedelta
) -> AsyncIterator[tuple[int, Filled | None]]:
    """Put the stories into an empty log, those due soon evenly over `window`.

    Gives from time to time how many are there, and at last what was made.
    """
    steps = max(1, min(stories, window // STEP))
    kinds: list[tuple[Case, Sequence[int]]] = []
    number = 0
    for step in range(steps):
        made_of = kind(soon_at + step * window / steps)
        upto = stories * (step + 1) // steps
        for one in range(number, upto):
            _append(log, customer_of(one), story_of(one, made_of, log.count + 1))
        kinds.append((made_of.case, range(number, upto)))
        number = upto
        yield number, None
    log.forget_message_ids()
    yield number, Filled(stories, log.count, kinds)


def _append(log: FakeLog, customer: str, payloads: Sequence[bytes]) -> None:
    subject, last = names.story(TENANT, customer), 0
    for payload in payloads:
        log.arrive(subject, payload, last, message_id(subject, str(log.count)))
        last = log.count


def _contact(matter: int, at: datetime) -> ContactReceived:
    return ContactReceived(
        _own(_NOBODY, _CONTACT, matter),
        _own(_NOBODY, _CASE, matter),
        _own(_NOBODY, _ENTRY, matter),
        "load",
        "email",
        "en",
        at,
        joined=False,
        promised_at=None,
    )


def _opened(matter: int, queue: str) -> CaseOpened:
    skills = (SkillNeed("help", 3),)
    own = _own(_NOBODY, _CASE, matter)
    return CaseOpened(own, queue, "email", "load", "order", "en", skills, 100, "")


def _record(number: int, at: datetime, events: tuple[Event, ...]) -> Record:
    worded = isinstance(events[-1], ContactReceived)
    return Record(
        tenant=TENANT,
        customer=_STORY,
        operation=_own(_NOBODY, _OPERATION, number),
        at=at,
        actor="gateway:load" if worded else "service:sla",
        previous_sequence=0,
        previous_hash=b"",
        engine_epoch=0,
        traceparent="",
        key=KeyRef(_own(_NOBODY, _OPERATION, 0), 1),
        nonce=bytes(12) if worded else b"",
        sealed=bytes(WORDS_BYTES) if worded else b"",
        events=events,
        head=EMPTY,
    )


def _soon(number: int) -> Own:
    """Name the matter of a story that is due soon."""
    return _own(_part(number), _CASE, MATTERS)


def _own(part: bytes, what: int, number: int) -> Own:
    return Own(encode(part + bytes((what, number))))


def _part(number: int) -> bytes:
    """Give what all ids of a story begin with; they never look like a uuid7."""
    raw = bytearray(_raw("story", number)[:14])
    raw[6] = 0x80 | raw[6] & 0x0F
    return bytes(raw)


def _raw(what: str, number: int) -> bytes:
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16, person=what.encode()).digest()
