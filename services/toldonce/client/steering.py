"""Steering the router: pick and force offers, move and rank what waits, drain agents.

Everything is retried under the same operation id, so doing it twice is doing it once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, case_seen, instant, stamp
from toldonce.client.submission import Address, alias
from toldonce.kernel.errors import Invalid
from toldonce.runtime.ids import new_id

PASSABLE = ("PRESENCE", "AVAILABILITY", "CAPACITY", "QUEUE", "SKILL", "LANGUAGE")


@dataclass(frozen=True, slots=True)
class DrainSeen:
    """How an agent stands: since when they get nothing new (None: they do), and what they own."""

    agent: str
    drained_at: datetime | None
    case_ids: tuple[str, ...]


class Steering:
    """What agents and supervisors ask of the router; the token of `client` says who it is."""

    def __init__(self, client: Client) -> None:
        """Ask over `client`."""
        self._client = client

    async def pick(self, case_id: str = "", *, queue: str = "", agent: str = "") -> CaseSeen:
        """Have a waiting case, or the next of `queue`, offered to `agent` (or who asks) now.

        Raises Rejected BARRED whose sentence names the gate, NOT_WAITING, OFFERED; Missing.
        """
        request = routing_pb2.PickWorkRequest(
            case_id=case_id, queue=queue, agent=agent, operation_id=new_id()
        )
        return case_seen(await again(lambda: self._client.routing.PickWork(request)))

    async def assign(
        self, case_id: str, agent: str, reason: str, *, past: Iterable[str] = ()
    ) -> CaseSeen:
        """Have a waiting case offered to `agent` whatever the policy says; `reason` is a code.

        `past` names the gates that are not to count either, of PASSABLE; past CAPACITY it is an
        overdraft. Raises Rejected BARRED, NOT_WAITING, OFFERED; Missing; Invalid.
        """
        wanted = tuple(past)
        unknown = [gate for gate in wanted if gate not in PASSABLE]
        if unknown:
            raise Invalid("past", f"there is no {unknown[0]} to pass: {', '.join(PASSABLE)}")
        request = routing_pb2.ForceAssignRequest(
            case_id=case_id,
            agent=agent,
            reason=reason,
            override=[types_pb2.Gate.Value(f"GATE_{gate}") for gate in wanted],
            operation_id=new_id(),
        )
        return case_seen(await again(lambda: self._client.routing.ForceAssign(request)))

    async def move(self, case_id: str, queue: str, reason: str) -> CaseSeen:
        """Let a waiting case wait in another queue at its old age; raises Rejected OWNED."""
        request = routing_pb2.MoveWorkRequest(
            case_id=case_id, queue=queue, reason=reason, operation_id=new_id()
        )
        return case_seen(await again(lambda: self._client.routing.MoveWork(request)))

    async def prioritise(self, case_id: str, priority: int, reason: str) -> CaseSeen:
        """Let a case count for `priority` (0 to 1000, higher first) from now on."""
        request = routing_pb2.SetPriorityRequest(
            case_id=case_id, priority=priority, reason=reason, operation_id=new_id()
        )
        return case_seen(await again(lambda: self._client.routing.SetPriority(request)))

    async def schedule(
        self,
        case_id: str,
        not_before_at: datetime | None,
        reason: str,
        *,
        callback: bool = False,
        to: Address | None = None,
    ) -> CaseSeen:
        """Let a case wait from `not_before_at` on (None: from now), its place kept.

        `callback`: its customer is to be called back, at `to` where that is another address. Who
        owns it does not any more. Raises Rejected CLOSED_THEN, CASE_CLOSED; Invalid; Missing.
        """
        request = ownership_pb2.ScheduleCaseRequest(
            case_id=case_id,
            operation_id=new_id(),
            not_before_at=None if not_before_at is None else stamp(not_before_at),
            callback=callback,
            to=None if to is None else alias(to),
            reason=reason,
        )
        return case_seen(await again(lambda: self._client.ownership.ScheduleCase(request)))

    async def drain(
        self, agent: str, reason: str, *, hand_back: bool = False, end: bool = False
    ) -> DrainSeen:
        """Give an agent nothing new until that is ended (`end`); `hand_back`: what they own goes.

        Raises Missing for an agent that nobody configured.
        """
        request = routing_pb2.DrainAgentRequest(
            agent=agent, reason=reason, hand_back=hand_back, end=end, operation_id=new_id()
        )
        done = await again(lambda: self._client.routing.DrainAgent(request))
        return DrainSeen(agent, instant(done.drained_at), tuple(done.case_ids))
