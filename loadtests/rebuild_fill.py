"""Fills a log fast: closed and open stories, one message each, and the heads of the open ones.

Ids follow from numbers. A message is written once for each kind of story and then only gets its
ids changed, so that a million take a minute: what is read afterwards is read as any other log. The
server does not sync each write meanwhile; whoever measures starts it again as it must be.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nats.aio.client import Client as NatsClient

from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import Own, decode, encode
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import (
    CaseClosed,
    CaseOpened,
    ContactReceived,
    Event,
    OfferAccepted,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import EMPTY, SkillNeed
from toldonce.runtime import monitor, names
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.embedded import nats_binary
from toldonce.runtime.envelope import encode_head, encode_record
from toldonce.runtime.nats_link import Link
from toldonce.runtime.open_rows import pack_open
from toldonce.runtime.setup import make_streams

TENANT = "demo"
QUEUES = ("orders", "returns", "billing", "general")
DISPOSITION = "answered"
AGENTS_MAX = 200
OWNED_EVERY = 10
TAIL = 1_000  # messages after the position of OPEN, as a process that ended left it
KINDS = 400
AGE_S = 3_600
WORDS_BYTES = 700
TOGETHER = 1_000
_ACK_S = 60.0
_SAY_EVERY = 100_000
_CONFIG = """\
server_name: toldonce
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
max_payload: 1MB
jetstream {{ store_dir: "jetstream", sync_interval: "2m" }}
"""
_CUSTOMER, _CASE, _CONTACT, _OPERATION = (encode(bytes([65 + n]) * 16) for n in range(4))

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the log; `position` is how far OPEN goes."""

    stories: int
    closed: int
    last: int
    position: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Kind:
    """A story as bytes, with the ids of nobody in it."""

    payload: bytes
    head: bytes = b""


def agents(stories: int) -> list[str]:
    """Name the agents who own some of so many open stories."""
    return [f"agent-{n:03}" for n in range(max(1, min(AGENTS_MAX, stories // OWNED_EVERY)))]


def document(stories: int) -> str:
    """Write the configuration: office hours, clocks of two working days, agents of room enough."""
    room = 2 * stories // (OWNED_EVERY * len(agents(stories))) + 2
    hours = "".join(
        f'      {day}: ["08:30-12:30", "13:00-17:30"]\n'
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
    )
    queues = "".join(
        f"  - {{name: {queue}, calendar: office, sla: slow, policy: plain, "
        f"escalation_queue: seniors, dispositions: [{DISPOSITION}]}}\n"
        for queue in QUEUES
    )
    people = "".join(
        f"  - {{name: {name}, capacity_units: {room}, languages: {{en: 5}}, skills: {{help: 5}}, "
        f"queues: [{', '.join(QUEUES)}, seniors]}}\n"
        for name in agents(stories)
    )
    return f"""\
version: 1
tenant: Load
languages: [en]
skills: [help]
channels:
  - {{name: email, kind: email, cost: 1, reply: true, calendar: office, queue: orders}}
topics:
  - {{name: order, queue: orders, words: {{en: [order]}}}}
queues:
{queues}\
  - {{name: seniors, calendar: always, sla: slow, policy: plain, dispositions: [{DISPOSITION}]}}
policies:
  - {{name: plain, wait_max_s: 864000, offer_timeout_s: 30}}
calendars:
  - name: office
    zone: Europe/Amsterdam
    weekly:
{hours}\
sla:
  - name: slow
    calendar: office
    targets: {{queue_wait_s: 61200, first_response_s: 61200}}
    warn_fraction: 0.75
    on_breach: {{raise_priority_by: 100, escalate_after_s: 3600}}
presence: {{heartbeat_s: 2, stale_s: 20, gone_s: 60}}
handoff: {{timeout_s: 30, required: [reason, summary]}}
agents:
{people}"""


@asynccontextmanager
async def quick_nats(data: Path) -> AsyncIterator[str]:
    """Run a server on the folder that `embedded(data)` uses too, which does not sync each write."""
    folder = data / "nats"
    folder.mkdir(parents=True, exist_ok=True)
    port, page = free_port(), free_port()
    (folder / "fill.conf").write_text(_CONFIG.format(port=port, monitor_port=page))

    async def ready() -> bool:
        try:
            health = await monitor.page(f"http://127.0.0.1:{page}/healthz")
        except (OSError, TimeoutError, ValueError, IndexError):
            return False
        return bool(health.get("status") == "ok")

    server = Child("nats-fill", [nats_binary(), "-c", "fill.conf"], folder=folder, ready=ready)
    await server.start()
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        await server.stop(grace_s=60.0)


async def fill(nats_url: str, stories: int, closed: int, say: Say) -> Filled:
    """Make the streams and fill them; raises Unavailable when the server took less than given."""
    link = await Link.connect(nats_url, name="setup")
    try:
        await make_streams(link, replicas=1)
        total = stories + closed
        position = max(0, total - TAIL)
        rows: list[tuple[str, bytes]] = []
        waiting = 0

        def messages() -> Iterator[tuple[str, bytes]]:
            nonlocal waiting
            ended, opened = closed_kind(), open_kinds(stories)
            for sequence in range(1, total + 1):
                number = sequence * stories // total
                customer = encode(_raw("customer", sequence))
                if number == (sequence - 1) * stories // total:
                    yield names.story(TENANT, customer), made(ended.payload, customer, sequence)
                    continue
                kind = opened[number % len(opened)]
                waiting += number % OWNED_EVERY != 0
                if sequence <= position:
                    head = made(kind.head, customer, sequence)
                    row = sequence.to_bytes(8, "big") + head
                    rows.append((names.open_key(TENANT, customer), row))
                yield names.story(TENANT, customer), made(kind.payload, customer, sequence)

        await _publish(link.client, messages(), total, say, "messages in the log")
        rows.append((names.OPEN_POSITION_KEY, pack_open(position, None)))
        await _publish(link.client, iter(rows), len(rows), say, "rows in OPEN")
    finally:
        await link.close()
    return Filled(stories, closed, total, position, waiting)


def closed_kind() -> Kind:
    """Write a story that has ended."""
    record = _record(
        (_contact(0), _opened("orders", 0), CaseClosed(Own(_CASE), DISPOSITION, "anna", False)),  # noqa: FBT003
        datetime.now(UTC) - timedelta(days=30),
    )
    return Kind(encode_record(record))


def open_kinds(stories: int) -> Sequence[Kind]:
    """Write stories that go on: every OWNED_EVERY-th is an agent's, the others wait."""
    now, names_ = datetime.now(UTC), agents(stories)
    kinds = []
    for number in range(max(KINDS, OWNED_EVERY * len(names_))):
        opened = _opened(QUEUES[number % len(QUEUES)], number % 5 * 100)
        events: tuple[Event, ...] = (_contact(number), opened)
        if number % OWNED_EVERY == 0:
            agent = names_[number // OWNED_EVERY % len(names_)]
            events += (OfferAccepted(Own(_OPERATION), Own(_CASE), agent, 1, Own("")),)
        record = _record(events, now - timedelta(seconds=1 + number * 7919 % AGE_S))
        kinds.append(Kind(encode_record(record), encode_head(record.head)))
    return kinds


def _contact(number: int) -> ContactReceived:
    made_at = datetime.now(UTC) - timedelta(seconds=AGE_S + number)
    ids = (Own(_CONTACT), Own(_CASE), Own(_CONTACT))
    return ContactReceived(*ids, "load", "email", "en", made_at, joined=False, promised_at=None)


def _opened(queue: str, priority: int) -> CaseOpened:
    skills = (SkillNeed("help", 3),)
    return CaseOpened(Own(_CASE), queue, "email", "load", "order", "en", skills, priority, "")


def _record(events: tuple[Event, ...], at: datetime) -> Record:
    record = Record(
        tenant=TENANT,
        customer=_CUSTOMER,
        operation=Own(_OPERATION),
        at=at,
        actor="gateway:load",
        previous_sequence=0,
        previous_hash=b"",
        engine_epoch=1,
        traceparent="",
        key=KeyRef(Own(_OPERATION), 1),
        nonce=bytes(12),
        sealed=b"\x00" * WORDS_BYTES,
        events=events,
        head=EMPTY,
    )
    return replace(record, head=apply(EMPTY, record))


def _raw(kind: str, number: int) -> bytes:
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16, person=kind.encode()).digest()


def made(template: bytes, customer: str, number: int) -> bytes:
    """Make a template somebody's: the same bytes with ids of their own."""
    mine = template.replace(_CUSTOMER.encode(), customer.encode())
    for own in (_CASE, _CONTACT, _OPERATION):
        mine = mine.replace(decode(own), _raw(own[:2], number))
    return mine


async def _publish(
    client: NatsClient, messages: Iterator[tuple[str, bytes]], total: int, say: Say, what: str
) -> None:
    """Publish in order, a thousand at a time; the last of them is answered when all are stored."""
    for number, (subject, payload) in enumerate(messages, 1):
        if number % TOGETHER and number != total:
            await client.publish(subject, payload)
        else:
            answer = json.loads((await client.request(subject, payload, timeout=_ACK_S)).data)
            if answer.get("seq") != number:
                raise Unavailable(f"The server took {answer} where {number} {what} were sent.")
            if number % _SAY_EVERY == 0:
                say(f"{number:,} of {total:,} {what}")
