"""The first gate an agent fails for a case, asked of the plain facts and never of the index.

That makes it a second opinion: explanations use it, and the audit of idle agents. Only how many
wait or are free, which a policy may weigh, is taken from the counts that the index keeps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from toldonce.kernel.instants import instant, wall
from toldonce.kernel.skills import Gate as StandingGate
from toldonce.kernel.skills import meets
from toldonce.routing.core.kinds import Pair, WorkKind
from toldonce.routing.core.lacks import Finding, finding
from toldonce.routing.core.placing import taken_from, worth_waiting_for
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item, Place
from toldonce.routing.core.types import Availability, Gate, Presence

_PRESENCE: Final = {
    Presence.UNKNOWN: "not seen yet",
    Presence.STALE: "heartbeat late",
    Presence.GONE: "gone",
}
_AVAILABILITY: Final = {
    Availability.AWAY: "away",
    Availability.DO_NOT_ROUTE: "takes nothing new",
    Availability.OFFLINE: "offline",
}


def first_gate(
    agent: Agent, item: Item, now_us: int, *, keeper: Agent | None = None
) -> Finding | None:
    """Name the first gate this agent fails, and what was compared; None when admitted.

    `keeper` is the agent for whom the case is kept at this moment.
    """
    rule = agent.rule
    if rule is None or agent.absent_us is not None or agent.presence is not Presence.CONNECTED:
        return Gate.PRESENCE, _PRESENCE.get(agent.presence, "not connected")
    if agent.off_us is not None:
        return Gate.AVAILABILITY, "off shift"
    if agent.drained_us:
        return Gate.AVAILABILITY, f"drained since {wall(agent.drained_us)}"
    if agent.availability is not Availability.AVAILABLE:
        return Gate.AVAILABILITY, _AVAILABILITY[agent.availability]
    lack = standing_gate(agent, item)
    if lack is None and (later := not_yet(item)):
        return Gate.NOT_YET, later
    if lack is None and not on_its_way(item, now_us) and (shut := closed(item)):
        return Gate.CALENDAR, shut
    return lack or next(_moving_gates(agent, item, now_us, keeper), None)


def on_its_way(item: Item, now_us: int) -> str:
    """Say to which queue a case is being moved; "" for none."""
    return item.moving if item.retry_us > now_us else ""


def not_yet(item: Item) -> str:
    """Say for when a case is scheduled that does not wait yet; "" for one that does."""
    if item.place is not Place.SCHEDULED:
        return ""
    return f"scheduled for {instant(item.wake_us):%Y-%m-%d %H:%M:%S}"


def closed(item: Item) -> str:
    """Say until when the queue of this case is closed; "" where that is no obstacle."""
    return "" if item.target or item.work is None else item.work.tally.closed


def gates_failed(
    agent: Agent, item: Item, now_us: int, *, keeper: Agent | None = None
) -> Iterator[Finding]:
    """Name every gate this agent fails, in the order in which they are tried; see `first_gate`."""
    here = agent.rule is not None and agent.absent_us is None
    if not here or agent.presence is not Presence.CONNECTED:
        yield Gate.PRESENCE, _PRESENCE.get(agent.presence, "not connected")
    if agent.off_us is not None:
        yield Gate.AVAILABILITY, "off shift"
    elif agent.drained_us:
        yield Gate.AVAILABILITY, f"drained since {wall(agent.drained_us)}"
    elif agent.availability is not Availability.AVAILABLE:
        yield Gate.AVAILABILITY, _AVAILABILITY[agent.availability]
    yield from _standing_gates(agent, item)
    if not on_its_way(item, now_us) and (shut := closed(item)):
        yield Gate.CALENDAR, shut
    yield from _moving_gates(agent, item, now_us, keeper)


def _standing_gates(agent: Agent, item: Item) -> Iterator[Finding]:
    first, rule = standing_gate(agent, item), agent.rule
    if first is None:
        return
    yield first
    if rule is None or item.target:
        return
    wants = replace(item.wants, queue=next(iter(rule.queues), ""))  # one that they serve
    if first[0] is Gate.QUEUE and agent.name in item.excluded:
        yield _excluded(item)
    for part in (replace(wants, language=""), replace(wants, skills=())):
        gate = meets(rule, part)
        lack = first if gate is None else finding(gate, rule.skills, part)
        if lack[0] not in {first[0], Gate.EXCLUDED}:
            yield lack


def standing_gate(agent: Agent, item: Item) -> Finding | None:
    """Name the first gate of the configuration and of the case's history that this agent fails."""
    rule, wants = agent.rule, item.wants
    if rule is None:
        return Gate.QUEUE, "not in the configuration"
    if item.target:
        return None if agent.name == item.target else meant_for(item)
    gate = meets(rule, wants)
    if gate is StandingGate.QUEUE:
        return finding(gate, rule.skills, wants)
    if agent.name in item.excluded:
        return _excluded(item)
    return None if gate is None else finding(gate, rule.skills, wants)


def _excluded(item: Item) -> Finding:
    return Gate.EXCLUDED, "handed it over" if item.case.handoff else "owns it, and was absent"


def meant_for(item: Item) -> Finding:
    """Say for whom a case is meant that nobody else may have."""
    if item.case.handoff is None:
        return Gate.EXCLUDED, f"{item.target} stands in for {item.case.owner}"
    return Gate.EXCLUDED, f"handed to {item.target}"


def able_and_free(agent: Agent, item: Item, now_us: int) -> bool:
    """Tell whether an agent who is there could have a case of an open queue, kept or not.

    Who declined it, or has just let an offer expire, does not count as free for it.
    """
    return (
        agent.room(item) >= item.cost
        and agent.cool_us <= now_us
        and not item.bars(agent.name, now_us)
        and standing_gate(agent, item) is None
    )


def _moving_gates(agent: Agent, item: Item, now_us: int, keeper: Agent | None) -> Iterator[Finding]:
    if item.cool.get(agent.name, 0) > now_us:
        case = item.case
        lost = taken_from(case) and case.last_owner == agent.name
        did = "had it before" if lost else "declined it"
        yield Gate.COOL_DOWN, f"{did}, asked again from {wall(item.cool[agent.name])}"
    if agent.cool_us > now_us:
        yield Gate.COOL_DOWN, f"let an offer expire, asked again from {wall(agent.cool_us)}"
    if going := on_its_way(item, now_us):
        yield Gate.QUEUE, going
    if item.retry_us > now_us:
        yield Gate.COOL_DOWN, f"offer refused ({item.refused}), again at {wall(item.retry_us)}"
    if agent.room(item) < item.cost:
        room = max(agent.room(item), 0)
        yield Gate.CAPACITY, f"needs {item.cost}, free {room} of {agent.capacity}"
    if keeper is not None and keeper is not agent:
        yield Gate.OWNER_PREFERRED, f"kept for {keeper.name} until {wall(item.hold_us)}"
    elif keeper is None and (apart := _apart(agent, item, now_us)):
        yield apart


def _apart(agent: Agent, item: Item, now_us: int) -> Finding | None:
    """Say until when the policy leaves this agent and this work apart, if it does."""
    if item.target or item.work is None:
        return None
    pair = pair_of(agent, item.work)
    if pair is None or pair.always:
        return None
    worth = pair.worth(item.enqueued_us, agent.idle_us, now_us)
    if worth >= 0:
        return None
    return Gate.APART, left_apart(pair.admitted_us(worth, item.enqueued_us, now_us))


def left_apart(until_us: int) -> str:
    """Say until when time alone lets this work have such an agent."""
    return f"kept for other work until {wall(until_us)}"


def pair_of(agent: Agent, work: WorkKind) -> Pair | None:
    """Return what an agent's kind and a kind of work make together; None where nothing."""
    if agent.kind is None:
        return None
    found = agent.kind.active.get(work)
    if found is None:
        found = next((pair for pair in work.pairs if pair.agents is agent.kind), None)
    return found


def keeper_of(item: Item, agents: Mapping[str, Agent], now_us: int) -> Agent | None:
    """Return the agent for whom the case is kept at this moment, if any."""
    if item.target or not item.preferred or now_us >= item.hold_us:
        return None
    agent = agents.get(item.preferred)
    if agent is None or not worth_waiting_for(agent, item, now_us):
        return None
    return agent


def asked_in_words(item: Item, rules: Rules) -> str:
    """Say whom the case looks for: `who speaks de with technical >= 3`."""
    if item.target:
        return f"named {item.target}"
    wants = item.wants
    parts = []
    if wants.language:
        parts.append(f"speaks {wants.language}")
    if wants.queue in rules.config.queues:
        parts.append(f"works on {wants.queue}")
    text = "who " + " and ".join(parts) if parts else "at all"
    skills = ", ".join(f"{name} >= {level}" for name, level in wants.skills)
    return f"{text} with {skills}" if skills else text
