"""What people do, one small function each: adding an operation is adding one here.

`@of_agent(weight)` registers what an owner may do with a case: it gets the agent and the case as
last seen, and gives the case as it stands after (None: it is over). `@of_desk(weight)` registers
what a supervisor or the crowd does, given the world and a tenant. A refusal is an answer too.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tests.sim.house import TOPICS
from tests.sim.world import Told, World
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.api.types.v1 import types_pb2
from toldonce.intake.wire import acknowledgement, newcomer, submission
from toldonce.kernel.errors import Missing, Refusal, Rejected, Unavailable
from toldonce.kernel.ids import derive, own_of
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Diverted
from toldonce.runtime.ids import new_id

if TYPE_CHECKING:
    from tests.sim.actors import Agent

type OfAgent = Callable[["Agent", Any], Awaitable[Any]]
type OfDesk = Callable[[World, str], Coroutine[Any, Any, None]]

AGENT_OPS: list[tuple[OfAgent, float]] = []
DESK_OPS: list[tuple[OfDesk, float]] = []
ENVELOPE = types_pb2.HandoffEnvelope(reason="better at this", summary="as told")
_LOST = frozenset({"STALE_EPOCH", "NOT_OWNER", "NOT_OWNED", "CASE_CLOSED", "MOVED"})
CUSTOMERS = 7
CHANNELS = (("web", "chat"), ("web", "chat"), ("mail", "email"), ("mail", "sms"))


def of_agent(weight: float) -> Callable[[OfAgent], OfAgent]:
    """Register something an owner does."""

    def register(operation: OfAgent) -> OfAgent:
        AGENT_OPS.append((operation, weight))
        return operation

    return register


def of_desk(weight: float) -> Callable[[OfDesk], OfDesk]:
    """Register something that is done from outside a session."""

    def register(operation: OfDesk) -> OfDesk:
        DESK_OPS.append((operation, weight))
        return operation

    return register


def choose(world: World) -> OfAgent:
    """Draw what an owner does next."""
    weights = [weight * world.mix.get(op.__name__, 1.0) for op, weight in AGENT_OPS]
    return world.rng.choices([op for op, _ in AGENT_OPS], weights)[0]


def choose_desk(world: World) -> OfDesk:
    """Draw what somebody outside does next."""
    weights = [weight * world.mix.get(op.__name__, 1.0) for op, weight in DESK_OPS]
    return world.rng.choices([op for op, _ in DESK_OPS], weights)[0]


async def attempt(agent: "Agent", act: OfAgent, case: Any) -> None:
    """Do it; know afterwards whether the case is still one's own."""
    try:
        after = await act(agent, case)
    except Rejected as no:
        if no.reason in _LOST:
            known: Any = agent.cases.get(case.case_id)
            if known is case:
                agent.lose(case.case_id)
        elif no.reason == "UNSEEN_MESSAGE":
            await look(agent, case)
        return
    except Unavailable:
        return
    except Refusal:
        agent.lose(case.case_id)
        return
    if after is None or after.owner != agent.name or after.state == types_pb2.CASE_STATE_CLOSED:
        agent.lose(case.case_id)
    else:
        agent.own(after)


# ---- what owners do


def _text(world: World, tenant: str) -> str:
    """Say what nobody says again."""
    world.said += 1
    return f"canary-{tenant} {world.said}"


@of_agent(3)
async def note(agent: "Agent", case: Any) -> Any:
    """Write a note."""
    return await _enter(agent, case, pb.ENTRY_KIND_NOTE)


@of_agent(4)
async def message(agent: "Agent", case: Any) -> Any:
    """Answer the customer."""
    return await _enter(agent, case, pb.ENTRY_KIND_MESSAGE)


async def _enter(agent: "Agent", case: Any, kind: Any) -> Any:
    text = _text(agent.world, agent.tenant)
    request = pb.AppendEntryRequest(case_id=case.case_id, epoch=case.epoch, kind=kind, text=text)
    quotes = {"case": own_of(case.case_id), "epoch": case.epoch, "text": text}
    return (
        await agent.world.ask(agent.who, "append_entry", quotes=quotes, append_entry=request)
    ).case


@of_agent(3)
async def close(agent: "Agent", case: Any) -> Any:
    """End the matter."""
    request = pb.CloseCaseRequest(
        case_id=case.case_id,
        epoch=case.epoch,
        disposition="solved",
        seen_entry_id=case.last_customer_entry_id,
    )
    quotes = quoted(case)
    done = await agent.world.ask(agent.who, "close", quotes=quotes, close_case=request)
    agent.world.closed.setdefault(agent.tenant, []).append(case.case_id)
    return done.case


@of_agent(0.6)
async def release(agent: "Agent", case: Any) -> Any:
    """Let go of it."""
    request = pb.ReleaseOwnershipRequest(case_id=case.case_id, epoch=case.epoch, reason="BUSY")
    quotes = quoted(case)
    await agent.world.ask(agent.who, "release", quotes=quotes, release_ownership=request)


@of_agent(0.5)
async def write_late(agent: "Agent", case: Any) -> Any:
    """Write under an epoch that has passed: it must be refused."""
    text = _text(agent.world, agent.tenant)
    stale = pb.AppendEntryRequest(
        case_id=case.case_id,
        epoch=max(0, case.epoch - 1),
        kind=pb.ENTRY_KIND_NOTE,
        text=text,
    )
    quotes = {"case": own_of(case.case_id), "epoch": stale.epoch, "text": text}
    try:
        await agent.world.ask(agent.who, "append_entry", quotes=quotes, append_entry=stale)
    except Rejected:
        return case
    return case


def quoted(case: Any) -> dict[str, Any]:
    """Say what of a case its owner goes by."""
    return {
        "case": own_of(case.case_id),
        "epoch": case.epoch,
        "seen": own_of(case.last_customer_entry_id),
    }


async def look(agent: "Agent", case: Any) -> None:
    """Read a case again."""
    world = agent.world

    async def read() -> Any:
        from toldonce.runtime.case_views import case_view  # noqa: PLC0415

        handler = process.bound._ownership  # noqa: SLF001
        customer, placed, found = await handler.case(agent.tenant, case.case_id)
        return case_view(customer, found, placed.sequence)

    try:
        process = world.pick("ownership")
        seen = await world.net.call(process.host, read, timeout_s=6.0)
    except Refusal:
        return
    if seen.owner == agent.name:
        agent.own(seen)
    else:
        agent.lose(case.case_id)


# ---- what customers and supervisors do


@of_desk(10)
async def submit(world: World, tenant: str) -> None:
    """Tell something new."""
    rng = world.rng
    gateway, channel = rng.choice(
        (("web", "chat"), ("web", "chat"), ("mail", "email"), ("mail", "sms"))
    )
    message_id = f"m{len(world.told)}"
    wide = rng.random() < world.mix.get("wide", 0.15)
    request = intake_pb2.SubmitContactRequest(
        message_id=message_id,
        channel=channel,
        text=f"canary-{tenant} {message_id}",
        language_hint="en",
        topic_hint=rng.choice(TOPICS if wide else TOPICS[:3]),
        aliases=_aliases(world, tenant),
    )
    request.made_at.FromDatetime(world.house.clock.now())
    told = Told(tenant, gateway, message_id, request)
    world.told[(tenant, gateway, message_id)] = told
    await tell(world, told)


def _aliases(world: World, tenant: str) -> list[types_pb2.Alias]:
    rng = world.rng
    number = rng.randrange(int(world.mix.get("customers", CUSTOMERS)))
    kind = types_pb2.ALIAS_KIND_HANDLE
    aliases = [types_pb2.Alias(kind=kind, value=f"chat:who{number}")]
    if rng.random() < 0.2:
        aliases.append(types_pb2.Alias(kind=kind, value=f"chat:also{number}"))
    if rng.random() < 0.04:
        aliases[0].shared = True
    if rng.random() < 0.03:
        return []
    return aliases


async def tell(world: World, told: Told) -> None:
    """Hand a contact in, and keep what was answered."""
    by = Principal(told.tenant, Role.GATEWAY, told.gateway)
    op = world.begin("submit", told.tenant, "", told.gateway, message_id=told.message_id)

    async def once() -> Any:
        intake = world.pick("intake")

        async def take() -> Any:
            contact = await intake.bound[0].prepare(by, submission(told.request, by))
            taken = await intake.bound[0].submit(by, contact)
            return contact.contact_id, acknowledgement(taken, newcomer(None, 0, ""))

        return await world.net.call(intake.host, take, timeout_s=9.0)

    op.again = once
    op.facts["told"] = told
    op.copies = 1
    try:
        _, ack = await world.patiently(op, once)
    except Refusal:
        return
    kept(world, told, ack)


def kept(world: World, told: Told, ack: Any) -> None:
    """Keep an acknowledgement."""
    told.acks.append(ack)
    known = world.customers.setdefault(told.tenant, [])
    if ack.fixed.customer_id not in known:
        known.append(ack.fixed.customer_id)


@of_desk(3)
async def tell_again(world: World, tenant: str) -> None:
    """Hand in the same contact once more, soon or much later."""
    known = [told for told in world.told.values() if told.tenant == tenant and told.acks]
    if known:
        await tell(world, world.rng.choice(known[-12:] if world.rng.random() < 0.5 else known))


@of_desk(0.3)
async def tell_diverted(world: World, tenant: str) -> None:
    """Hand in once more what a full story had sent on; by now that may have room."""
    diverted = {
        event.contact
        for logged in world.book.catch_up().all
        if logged.record.tenant == tenant
        for event in logged.record.events
        if isinstance(event, Diverted)
    }
    known = [
        told
        for told in world.told.values()
        if told.tenant == tenant and told.acks and told.acks[0].fixed.contact_id[26:] in diverted
    ]
    if known:
        await tell(world, world.rng.choice(known))


@of_desk(0.8)
async def cancel(world: World, tenant: str) -> None:
    """Go away before anybody answered."""
    known = [told for told in world.told.values() if told.tenant == tenant and told.acks]
    if not known:
        return
    await hang_up(world, world.rng.choice(known[-6:]))


async def hang_up(world: World, told: Told) -> None:
    """Say that who made a contact has left."""
    tenant, contact_id = told.tenant, told.acks[0].fixed.contact_id
    operation = new_id()
    op = world.begin("cancel", tenant, operation, told.gateway, may_be_wrong=True)
    op.copies = 1
    by = Principal(tenant, Role.GATEWAY, told.gateway)

    async def once() -> Any:
        intake = world.pick("intake")

        async def call_off() -> Any:
            return await intake.bound[0].cancel(by, contact_id, "ABANDONED", operation)

        return await world.net.call(intake.host, call_off, timeout_s=9.0)

    op.again = once
    try:
        await world.patiently(op, once)
    except Refusal:
        return


@of_desk(0.7)
async def reopen(world: World, tenant: str) -> None:
    """Open a closed case again."""
    closed = world.closed.get(tenant)
    if not closed:
        return
    case_id = world.rng.choice(closed[-8:])
    request = pb.ReopenCaseRequest(case_id=case_id, reason="NOT_SOLVED")
    await _boss(world, tenant, "reopen", may_be_wrong=True, reopen_case=request)


@of_desk(0.7)
async def link(world: World, tenant: str) -> None:
    """Find out that two customers are one."""
    known = world.customers.get(tenant, [])
    if len(known) < 3:
        return
    first, second = world.rng.sample(known, 2)
    request = pb.LinkCustomersRequest(
        first=pb.CustomerRef(customer_id=first), second=pb.CustomerRef(customer_id=second)
    )
    await _boss(world, tenant, "link", link_customers=request)


@of_desk(0.4)
async def take_from(world: World, tenant: str) -> None:
    """Take a case from its owner, as a supervisor."""
    seen = [
        told.acks[0].fixed.case_id
        for told in world.told.values()
        if told.tenant == tenant and told.acks
    ]
    if seen:
        case_id = world.rng.choice(seen[-10:])
        request = pb.ReleaseOwnershipRequest(case_id=case_id, reason="REBALANCE")
        await _boss(world, tenant, "take_from", may_be_wrong=True, release_ownership=request)


@of_desk(0.2)
async def wild_id(world: World, tenant: str) -> None:
    """Ask with an id that would name every story: it must be refused."""
    known = world.customers.get(tenant)
    if not known:
        return
    request = pb.LinkCustomersRequest(
        first=pb.CustomerRef(customer_id="*"),
        second=pb.CustomerRef(customer_id=world.rng.choice(known)),
    )
    try:
        done = await world.ask(
            Principal(tenant, Role.SUPERVISOR, "boss"),
            "wild_id",
            quotes={"may_be_wrong": True},
            link_customers=request,
        )
    except Refusal:
        return
    world.wrong.append(("I12", f"an id of * was answered with {done.customer_id or 'a story'}"))


async def _boss(
    world: World, tenant: str, kind: str, *, may_be_wrong: bool = False, **body: Any
) -> None:
    who = Principal(tenant, Role.SUPERVISOR, "boss")
    try:
        await world.ask(who, kind, quotes={"may_be_wrong": may_be_wrong}, **body)
    except Refusal:
        return


__all__ = ["Missing", "attempt", "choose", "choose_desk", "close", "derive", "kept", "tell"]
