"""Helpers that tell stories in tests: commands that make sense, a rule book, a handler on fakes."""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toldonce.kernel.ids import CustomerId, Own, derive
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import ContactWords, EnvelopeWords, Words
from toldonce.ownership.core import Asked, Command, Rules
from toldonce.ownership.core.commands import MakeOffer, ReceiveContact
from toldonce.ownership.core.rules import QueueRules
from toldonce.ownership.handler import Ask, Context, Ownership, Stories, Writer
from toldonce.ownership.handler.carrying import Carrying
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.meter import Meter
from toldonce.runtime.secrets import Secrets
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.table import FakeTable

TENANT = "demo"
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
RULES = Rules(
    version="1-abc",
    queues={
        "orders": QueueRules(frozenset({"resolved", "refunded"}), 0, "escalations"),
        "returns": QueueRules(frozenset({"resolved"}), 30, "escalations"),
        "escalations": QueueRules(frozenset({"resolved"}), 0, ""),
    },
    agents=frozenset({"anna", "bram", "carl"}),
    handoff_timeout_s=60,
    envelope_required=("reason", "summary"),
)
ENVELOPE = EnvelopeWords("needs a senior", "parcel lost twice", "called the carrier", "", "yes")
ENGINE = Principal(TENANT, Role.SERVICE, "engine")
GATEWAY = Principal(TENANT, Role.GATEWAY, "web")


def own(*parts: str | int) -> Own:
    """Make an id that tests can name."""
    return Own(derive("test", *parts))


def customer(name: str = "joan", number: int = 0) -> CustomerId:
    """Make a customer id that tests can name."""
    return CustomerId(derive("customer", name, number))


def agent(name: str) -> Principal:
    """Be an agent."""
    return Principal(TENANT, Role.AGENT, name)


def contact(number: int = 1, *, queue: str = "orders", topic: str = "order") -> ReceiveContact:
    """Say a contact, the same for the same number."""
    return ReceiveContact(
        contact=own("contact", number),
        gateway="web",
        channel="chat",
        made_at=START,
        thread=Own(""),
        queue=queue,
        topic=topic,
        language="nl",
        skills=(),
        priority=100,
        preferred_agent="",
        promised_at=None,
    )


def offer(
    case: Own, to: str, *, now: datetime, number: int = 1, epoch: int = 0, round_of: int = 1
) -> MakeOffer:
    """Say an offer of the engine with epoch 1 that runs out after 20 s."""
    return MakeOffer(
        case=case,
        epoch=epoch,
        offer=own("offer", case, number),
        agent=to,
        issued_at=now,
        expires_at=datetime.fromtimestamp(now.timestamp() + 20, UTC),
        engine_epoch=1,
        policy_version="1-abc",
        trace=b"trace",
        round=round_of,
    )


@dataclass(frozen=True, slots=True)
class Office:
    """A whole ownership service on fakes."""

    log: FakeLog
    clock: LoopClock
    keys: KeyRing
    stories: Stories
    ownership: Ownership
    meter: Meter

    def ask(
        self,
        command: Command,
        who: Principal = ENGINE,
        *,
        of: str = "",
        operation: str = "",
        words: Words | None = None,
    ) -> Ask:
        """Wrap a command; without an operation id it is named by its own content."""
        named = operation or own("operation", repr(command), who.subject)
        return Ask(TENANT, of or customer(), command, Asked(Own(named), who), words)


def secrets() -> Secrets:
    """Draw the keys of a test."""
    signing = Ed25519PrivateKey.generate()
    return Secrets(
        tenant_root=os.urandom(32),
        keks={"1": os.urandom(32)},
        kek_id="1",
        believed={"1": signing.public_key()},
        signing=signing,
        signing_id="1",
    )


def office(
    log: FakeLog | None = None, keys: KeyRing | None = None, *, book: Rules = RULES
) -> Office:
    """Open an ownership service on fakes under `book`; two on one log are two replicas."""
    clock = LoopClock(START)
    log = log or FakeLog(clock=clock)
    keys = keys or KeyRing(FakeTable(clock=clock), secrets(), clock)
    stories = Stories(log, carrier=Carrying(log, clock))
    meter = Meter()
    writer = Writer(
        log=log, stories=stories, keys=keys, clock=clock, committed=_nothing, meter=meter
    )

    async def rules(tenant: str) -> Rules:
        await asyncio.sleep(0)
        assert tenant == TENANT
        return book

    ownership = Ownership(
        writer=writer, stories=stories, context=Context(stories, keys), rules=rules
    )
    return Office(log, clock, keys, stories, ownership, meter)


def words(text: str = "Waar is mijn pakket?") -> ContactWords:
    """Say what the customer said."""
    return ContactWords((), "Joan", "", text, "Dank u, we antwoorden snel.", ())


def _nothing(tenant: str, customer: str, sequence: int) -> None:
    pass
