"""What people do with second opinions, promises, and matters that are one or two."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.sim.operations import hang_up, of_agent, of_desk, quoted
from tests.sim.world import World
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Refusal
from toldonce.kernel.ids import own_of, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Forgotten
from toldonce.runtime.mapping import to_us

if TYPE_CHECKING:
    from tests.sim.actors import Agent


@of_agent(1.0)
async def promise(agent: "Agent", case: Any) -> Any:
    """Promise the customer something by a time."""
    world = agent.world
    request = pb.MakeCommitmentRequest(
        case_id=case.case_id, epoch=case.epoch, text=f"canary-{agent.tenant} we call you"
    )
    due_at = world.house.clock.now() + timedelta(seconds=world.rng.uniform(10.0, 60.0))
    request.due_at.FromDatetime(due_at)
    quotes = quoted(case) | {"until": due_at}
    done = await world.ask(agent.who, "promise", quotes=quotes, make_commitment=request)
    world.promised.setdefault(agent.tenant, []).append(done.commitment_id)
    return done.case if done.case.case_id else case


@of_agent(1.0)
async def wait_for(agent: "Agent", case: Any) -> Any:
    """Wait for the customer or for somebody else, or do not any more."""
    world = agent.world
    cause = world.rng.choice((types_pb2.PAUSE_CAUSE_CUSTOMER, types_pb2.PAUSE_CAUSE_HOLD))
    request: Any
    if world.rng.random() < 0.4:
        request = pb.ResumeCaseRequest(case_id=case.case_id, epoch=case.epoch, cause=cause)
        done = await world.ask(agent.who, "go_on", quotes=quoted(case), resume_case=request)
    else:
        request = pb.PauseCaseRequest(
            case_id=case.case_id, epoch=case.epoch, cause=cause, reason="SUPPLIER"
        )
        until_at = world.house.clock.now() + timedelta(seconds=world.rng.uniform(1.0, 20.0))
        request.until_at.FromDatetime(until_at)
        done = await world.ask(
            agent.who, "wait_for", quotes=quoted(case) | {"until": until_at}, pause_case=request
        )
    return done.case if done.case.case_id else case


@of_desk(1.0)
async def keep_promise(world: World, tenant: str) -> None:
    """Do what was promised."""
    promised = world.promised.get(tenant)
    if promised:
        await _keep(world, tenant, promised.pop(world.rng.randrange(len(promised))))


async def keep_all(world: World) -> None:
    """Keep every promise that still stands."""
    for (tenant, customer), (_, head) in world.book.heads().items():
        for standing in head.commitments:
            await _keep(world, tenant, whole(customer, standing.own))


async def _keep(world: World, tenant: str, commitment_id: str) -> None:
    request = pb.KeepCommitmentRequest(commitment_id=commitment_id)
    boss = Principal(tenant, Role.SUPERVISOR, "boss")
    quotes = {"may_be_wrong": True}
    try:
        await world.ask(boss, "keep_promise", quotes=quotes, keep_commitment=request)
    except Refusal:
        return


@of_agent(1.0)
async def merge(agent: "Agent", case: Any) -> Any:
    """Find that two matters of one's own are one."""
    others = [
        other
        for other in agent.cases.values()
        if other.customer_id == case.customer_id and other.case_id != case.case_id
    ]
    if not others:
        return case
    gone = others[0]
    request = pb.MergeCasesRequest(
        case_id=case.case_id,
        merged_case_id=gone.case_id,
        epoch=case.epoch,
        seen_entry_id=case.last_customer_entry_id,
        merged_seen_entry_id=gone.last_customer_entry_id,
    )
    quotes = quoted(case) | {"merged": own_of(gone.case_id), "may_be_wrong": True}
    done = await agent.world.ask(agent.who, "merge", quotes=quotes, merge_cases=request)
    agent.lose(gone.case_id)
    return done.case if done.case.case_id else case


@of_desk(0.5)
async def split(world: World, tenant: str) -> None:
    """Find that one matter is two: a contact that had joined gets a case of its own."""
    joined = [
        told.acks[0].fixed
        for told in world.told.values()
        if told.tenant == tenant and told.acks and told.acks[0].fixed.joined
    ]
    if not joined:
        return
    chosen = world.rng.choice(joined[-10:])
    request = pb.SplitCaseRequest(case_id=chosen.case_id, contact_ids=[chosen.contact_id])
    boss = Principal(tenant, Role.SUPERVISOR, "boss")
    quotes = {"may_be_wrong": True}
    try:
        await world.ask(boss, "split", quotes=quotes, split_case=request)
    except Refusal:
        return


@of_desk(0.4)
async def incident(world: World, tenant: str) -> None:
    """Find out what is behind a matter, or that it was something else."""
    open_cases = [
        whole(customer, case.own)
        for (whose, customer), (_, head) in world.book.heads().items()
        if whose == tenant
        for case in head.cases
    ]
    if not open_cases:
        return
    request = internal_pb2.LinkIncident(
        case_id=world.rng.choice(open_cases), incident=world.rng.choice(("", "fire", "flood"))
    )
    sla = Principal(tenant, Role.SERVICE, "sla")
    try:
        await world.ask(sla, "incident", quotes={"may_be_wrong": True}, link_incident=request)
    except Refusal:
        return


@of_desk(0.4)
async def steer(world: World, tenant: str) -> None:
    """Have a matter count for more or less, or wait in another queue."""
    open_cases = [
        (whole(customer, case.own), case.queue)
        for (whose, customer), (_, head) in world.book.heads().items()
        if whose == tenant
        for case in head.cases
    ]
    if not open_cases:
        return
    case_id, queue = world.rng.choice(open_cases)
    to = world.rng.choice([other for _, other in open_cases])
    ranked = internal_pb2.SetPriority(
        case_id=case_id, priority=world.rng.choice((0, 300, 900)), reason="STEERED"
    )
    moved = internal_pb2.ChangeQueue(case_id=case_id, queue=to, reason="STEERED")
    body = {"set_priority": ranked} if to == queue else {"change_queue": moved}
    boss = Principal(tenant, Role.SUPERVISOR, "boss")
    try:
        await world.ask(boss, "steer", quotes={"may_be_wrong": True}, **body)
    except Refusal:
        return


@of_desk(0.8)
async def call_back(world: World, tenant: str) -> None:
    """Want to be called back, in one's turn or by appointment, and perhaps hang up."""
    known = [told for told in world.told.values() if told.tenant == tenant and told.acks]
    if not known:
        return
    rng, told = world.rng, world.rng.choice(known[-6:])
    request = internal_pb2.RequestCallback(contact_id=told.acks[0].fixed.contact_id)
    if rng.random() < 0.5:
        later = world.house.clock.now() + timedelta(seconds=rng.uniform(1.0, 20.0))
        request.not_before_us = to_us(later)
    if rng.random() < 0.3:
        request.to.kind, request.to.value = types_pb2.ALIAS_KIND_HANDLE, f"canary-{tenant}:else"
    gateway = Principal(tenant, Role.GATEWAY, told.gateway)
    try:
        await world.ask(
            gateway, "call_back", quotes={"may_be_wrong": True}, request_callback=request
        )
    except Refusal:
        return
    if rng.random() < 0.5:
        await hang_up(world, told)


@of_agent(0.4)
async def call_later(agent: "Agent", case: Any) -> Any:
    """Give a case back: its customer is to be called in a while."""
    world = agent.world
    request = pb.ScheduleCaseRequest(
        case_id=case.case_id, epoch=case.epoch, callback=True, reason="NO_ANSWER"
    )
    later = world.house.clock.now() + timedelta(seconds=world.rng.uniform(1.0, 20.0))
    request.not_before_at.FromDatetime(later)
    await world.ask(agent.who, "call_later", quotes=quoted(case), schedule_case=request)


@of_desk(0.4)
async def put_off(world: World, tenant: str) -> None:
    """Have a matter wait for a while, or wait no longer, as a supervisor."""
    waiting = [
        whole(customer, case.own)
        for (whose, customer), (_, head) in world.book.heads().items()
        if whose == tenant
        for case in head.cases
        if not case.owner
    ]
    if not waiting:
        return
    request = pb.ScheduleCaseRequest(case_id=world.rng.choice(waiting), reason="PUT_OFF")
    if world.rng.random() < 0.7:
        later = world.house.clock.now() + timedelta(seconds=world.rng.uniform(1.0, 20.0))
        request.not_before_at.FromDatetime(later)
    boss = Principal(tenant, Role.SUPERVISOR, "boss")
    try:
        await world.ask(boss, "put_off", quotes={"may_be_wrong": True}, schedule_case=request)
    except Refusal:
        return


@of_desk(0.15)
async def forget(world: World, tenant: str) -> None:
    """Forget a customer, whatever is under way; what was known until then is read once more."""
    known = world.customers.get(tenant)
    if not known:
        return
    for logged in world.book.catch_up().all:
        world.words(logged)
    request = pb.ForgetCustomerRequest(
        customer=pb.CustomerRef(customer_id=world.rng.choice(known)), reason="ASKED"
    )
    boss = Principal(tenant, Role.SUPERVISOR, "boss")
    try:
        await world.ask(boss, "forget", quotes={}, forget_customer=request)
    except Refusal:
        return


def remembered(world: World) -> list[tuple[str, str]]:
    """Find keys that were to be destroyed and are still there."""
    return [
        ("P10", f"the words of {logged.record.customer} of {logged.record.tenant} can be read yet")
        for logged in world.book.catch_up().all
        for event in logged.record.events
        if isinstance(event, Forgotten)
        and any(world.key(logged.record.tenant, ref) is not None for ref in event.keys)
    ]
