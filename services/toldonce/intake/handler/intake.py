"""Intake: a submission becomes a contact, and ownership takes it in.

Nothing is kept here: a replica that stops loses no contact, and a retry may reach another one.
What ownership answers is passed on as it is, so this module needs not know its shape.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from toldonce.intake.core import Callback, Contact, Model, Submission, Tools, Topics, prepare
from toldonce.kernel.aliases import normalise
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import customer_of, derive, parse_own, parse_whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Alias
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.ids import new_id
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.secrets import Secrets
from toldonce.runtime.telemetry import (
    CONTACTS_ACKNOWLEDGED,
    CONTACTS_OFFERED,
    CONTACTS_REPEATED,
    LANGUAGE_UNKNOWN,
    TOPICS_TOLD,
)

TENANTS_MAX = 10_000
FOREIGN_TOLD_MAX = 10

_log = logger()


@dataclass(frozen=True, slots=True)
class Taken[Ack]:
    """A contact that was taken in; `repeat`: before, and nothing was written now."""

    ack: Ack
    repeat: bool


@dataclass(frozen=True, slots=True)
class Found[View]:
    """How a contact stands; `mark` differs whenever that has changed."""

    view: View
    gateway: str
    customer: str
    mark: object
    ended: bool


class Ownership[Ack, View](Protocol):
    """What intake asks of ownership; every call raises the refusals it is answered with."""

    async def receive(self, contact: Contact, by: Principal) -> Taken[Ack]:
        """Take a contact in, once."""
        ...

    async def find(self, contact_id: str, by: Principal) -> Found[View]:
        """Say how a contact stands; raises Missing."""
        ...

    async def abandon(self, contact_id: str, reason: str, operation: str, by: Principal) -> None:
        """End the case of a contact; raises Rejected CASE_CLOSED, Missing."""
        ...

    async def call_back(
        self,
        contact_id: str,
        to: Alias | None,
        not_before_at: datetime | None,
        operation: str,
        by: Principal,
    ) -> None:
        """Have the customer of a contact called back; raises Rejected OWNED, CLOSED_THEN, ..."""
        ...


class Stirred(Protocol):
    """Who says that something may have been added to a story."""

    async def wait(self, tenant: str, customer: str) -> None:
        """Return then, or after some seconds all the same."""
        ...


class Intake[Ack, View]:
    """The one handler of contacts."""

    def __init__(
        self,
        *,
        ownership: Ownership[Ack, View],
        config: ConfigCache,
        secrets: Secrets,
        tools: Tools,
        hints: Stirred,
        clock: Clock,
        meter: Meter,
        model: Model | None = None,
    ) -> None:
        """Make ids under the tenants' keys in `secrets`; count in `meter`.

        `model` is asked for a topic where the words of the configuration find none.
        """
        self._ownership = ownership
        self._config = config
        self._secrets = secrets
        self._tools = tools
        self._hints = hints
        self._clock = clock
        self._meter = meter
        self._model = model
        self._topics: dict[str, tuple[Config, Topics]] = {}
        self._keys: dict[str, bytes] = {}

    async def prepare(self, by: Principal, given: Submission) -> Contact:
        """Make a contact of a submission; raises Invalid, Missing (no configuration yet)."""
        config = await self._config.of(by.tenant)
        name = given.channel if given.channel in config.channels else "unknown"
        self._meter.add(CONTACTS_OFFERED, name)
        contact = prepare(
            given,
            key=self._key(by.tenant),
            config=config,
            topics=self._topics_of(by.tenant, config),
            tools=self._tools,
            now=self._clock.now(),
        )
        self._meter.add(TOPICS_TOLD, contact.topic_by.name.lower())
        if not contact.language_known:
            self._meter.add(LANGUAGE_UNKNOWN, contact.channel)
        return contact

    async def submit(self, by: Principal, contact: Contact) -> Taken[Ack]:
        """Have a contact taken in; once this returns, it is never lost."""
        taken = await self._ownership.receive(contact, by)
        counted = CONTACTS_REPEATED if taken.repeat else CONTACTS_ACKNOWLEDGED
        self._meter.add(counted, contact.channel)
        return taken

    async def find(self, by: Principal, contact_id: str) -> Found[View]:
        """Say how a contact stands; raises Missing, also for another gateway's."""
        found = await self._ownership.find(parse_whole("contact_id", contact_id), by)
        if by.role is Role.GATEWAY and found.gateway != by.subject:
            raise Missing("contact", "there is no contact of this id")
        return found

    async def watch(self, by: Principal, contact_id: str) -> AsyncGenerator[Found[View]]:
        """Say how a contact stands, now and whenever that changes, until it has ended."""
        customer, mark = customer_of(parse_whole("contact_id", contact_id)), None
        while True:
            # listening begins before looking, so nothing can happen unheard in between
            stirred = asyncio.ensure_future(self._hints.wait(by.tenant, customer))
            try:
                found = await self.find(by, contact_id)
                if found.mark != mark:
                    mark = found.mark
                    yield found
                if found.ended:
                    return
                if found.customer == customer:
                    await stirred
                customer = customer_of(found.customer)
            finally:
                stirred.cancel()

    async def cancel(
        self, by: Principal, contact_id: str, reason: str, operation: str
    ) -> Found[View]:
        """End the case of a contact; `operation` "" draws an id. Raises Missing, Rejected."""
        operation = parse_own("operation_id", operation) if operation else new_id()
        await self.find(by, contact_id)
        await self._ownership.abandon(contact_id, reason, operation, by)
        return await self.find(by, contact_id)

    async def call_back(self, by: Principal, asked: Callback) -> Found[View]:
        """Have a customer who waits called back. Raises Invalid, Missing, Rejected."""
        operation = (
            parse_own("operation_id", asked.operation_id) if asked.operation_id else new_id()
        )
        to = None if asked.to is None else normalise("to", asked.to, self._tools.addresses)
        await self.find(by, asked.contact_id)
        await self._ownership.call_back(asked.contact_id, to, asked.not_before_at, operation, by)
        return await self.find(by, asked.contact_id)

    def _topics_of(self, tenant: str, config: Config) -> Topics:
        known = self._topics.get(tenant)
        if known is None or known[0] is not config:
            if len(self._topics) >= TENANTS_MAX:
                self._topics.clear()
            known = self._topics[tenant] = (config, Topics(config.topics, self._model))
            if foreign := known[1].foreign:
                told = f"{', '.join(foreign[:FOREIGN_TOLD_MAX])}: no topics of the configuration"
                _log.warning(
                    "the model has classes that are ignored",
                    tenant=tenant,
                    revision=config.policy_version,
                    count=len(foreign),
                    sentence=told,
                )
        return known[1]

    def _key(self, tenant: str) -> bytes:
        found = self._keys.get(tenant)
        if found is None:
            if len(self._keys) >= TENANTS_MAX:
                self._keys.clear()
            found = self._keys[tenant] = self._secrets.tenant_key(tenant)
        return found


def receiving(contact_id: str) -> str:
    """Name the operation that takes a contact in: every retry is the same operation."""
    return derive("receive", contact_id)
