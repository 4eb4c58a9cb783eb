"""What people do when a case changes hands: hand it over, call that off, climb, go away, advise."""

from typing import TYPE_CHECKING, Any

from tests.sim.house import CAPACITY
from tests.sim.operations import ENVELOPE, of_agent, quoted
from tests.sim.world import World
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Refusal
from toldonce.kernel.principal import Principal, Role

if TYPE_CHECKING:
    from tests.sim.actors import Agent

NAMES = tuple(CAPACITY)
QUEUES = ("orders", "repairs", "escalations")
CLIMBS = "orders"
AWAY_S = 14.0


def others(agent: "Agent") -> list[str]:
    """Name the colleagues."""
    return [name for name in NAMES if name != agent.name]


@of_agent(9)
async def hand_over(agent: "Agent", case: Any) -> Any:
    """Ask another agent, a queue or the tier above to take over, warm or cold."""
    rng = agent.world.rng
    target, may_be_wrong = _target(agent, case)
    request = pb.BeginHandoffRequest(
        case_id=case.case_id,
        epoch=case.epoch,
        seen_entry_id=case.last_customer_entry_id,
        target=target,
        envelope=ENVELOPE,
        mode=pb.HANDOFF_MODE_WARM if rng.random() < 0.4 else pb.HANDOFF_MODE_COLD,
        override_reason="KNOWS_IT" if rng.random() < 0.5 else "",
    )
    quotes = quoted(case) | {"may_be_wrong": may_be_wrong}
    done = await agent.world.ask(agent.who, "begin_handoff", quotes=quotes, begin_handoff=request)
    return done.case


def _target(agent: "Agent", case: Any) -> tuple[types_pb2.HandoffTarget, bool]:
    rng = agent.world.rng
    luck = rng.random()
    if luck < 0.5:
        return types_pb2.HandoffTarget(agent=rng.choice(others(agent))), False
    if luck < 0.7 and case.queue == CLIMBS:
        # the case may be in another queue by now, that has none above it
        return types_pb2.HandoffTarget(tier="1"), True
    return types_pb2.HandoffTarget(queue=rng.choice(QUEUES)), False


@of_agent(0.5)
async def cancel_handoff(agent: "Agent", case: Any) -> Any:
    """Keep it after all."""
    request = pb.CancelHandoffRequest(case_id=case.case_id, epoch=case.epoch)
    quotes = quoted(case)
    return (
        await agent.world.ask(agent.who, "cancel_handoff", quotes=quotes, cancel_handoff=request)
    ).case


@of_agent(1.2)
async def escalate(agent: "Agent", case: Any) -> Any:
    """Send it up the ladder."""
    request = pb.EscalateRequest(case_id=case.case_id, epoch=case.epoch, envelope=ENVELOPE)
    quotes = quoted(case)
    return (await agent.world.ask(agent.who, "escalate", quotes=quotes, escalate=request)).case


@of_agent(0.6)
async def vanish(agent: "Agent", case: Any) -> Any:
    """Lose the power for a moment: nobody should notice."""
    await _away(agent, 0.5, 3.0)
    return case


@of_agent(0.5)
async def lapse(agent: "Agent", case: Any) -> Any:
    """Go away for so long that others are asked to take over, and come back."""
    agent.world.net.steps["operation"] += 1
    await _away(agent, 6.0, AWAY_S)
    return case


async def _away(agent: "Agent", low_s: float, high_s: float) -> None:
    agent.away = True
    try:
        await agent.world.pause(low_s, high_s)
    finally:
        agent.away = False


@of_agent(1.0)
async def consult(agent: "Agent", case: Any) -> Any:
    """Let somebody look over one's shoulder."""
    other = agent.world.rng.choice(others(agent))
    request = pb.JoinConsultRequest(case_id=case.case_id, agent=other)
    done = await agent.world.ask(agent.who, "consult", quotes={}, join_consult=request)
    agent.world.spawn(_advise(agent.world, agent.tenant, other, case.case_id))
    return done.case if done.case.case_id else case


async def _advise(world: World, tenant: str, name: str, case_id: str) -> None:
    """Look into it, write down what one thinks, and perhaps go."""
    who = Principal(tenant, Role.AGENT, name)
    await world.pause(0.1, 3.0)
    note = pb.AppendEntryRequest(
        case_id=case_id, kind=pb.ENTRY_KIND_NOTE, text=f"canary-{tenant} of {name}"
    )
    leaving = pb.LeaveConsultRequest(case_id=case_id, agent=name)
    try:
        await world.ask(who, "advise", quotes={}, append_entry=note)
        if world.rng.random() < 0.4:
            await world.ask(who, "end_consult", quotes={}, leave_consult=leaving)
    except Refusal:
        return


@of_agent(0.6)
async def end_consult(agent: "Agent", case: Any) -> Any:
    """Thank whoever advises, or whoever stayed when the case was handed over."""
    known = [adviser.agent for adviser in case.advisers] or others(agent)
    other = agent.world.rng.choice(known)
    request = pb.LeaveConsultRequest(case_id=case.case_id, agent=other)
    done = await agent.world.ask(agent.who, "end_consult", quotes={}, leave_consult=request)
    return done.case if done.case.case_id else case
