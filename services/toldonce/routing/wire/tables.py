"""The rows of LEASES and AGENTS, and sightings on the bus.

On the subject of sightings an empty message is a question: whoever holds sessions answers it with
a sighting of each.
"""

from google.protobuf.message import DecodeError

from toldonce.api.routing.v1 import internal_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.routing.core.types import Availability, Schedule
from toldonce.routing.handler.words import (
    CoolDown,
    Declared,
    Drain,
    LeaseRecord,
    Phase,
    Sighting,
)
from toldonce.runtime.mapping import at_us, to_us

WHO_IS_THERE = b""
COOL_DOWNS_MAX = 64


def write_lease(record: LeaseRecord) -> bytes:
    """Write a lease."""
    return internal_pb2.Lease(
        holder=record.holder,
        epoch=record.epoch,
        counter=record.counter,
        renewed_us=to_us(record.renewed_at),
    ).SerializeToString()


def read_lease(value: bytes) -> LeaseRecord | None:
    """Read a lease; None for anything else."""
    try:
        lease = internal_pb2.Lease.FromString(value)
    except DecodeError:
        return None
    return LeaseRecord(lease.holder, lease.epoch, lease.counter, at_us(lease.renewed_us))


def write_sighting(sighting: Sighting) -> bytes:
    """Write a sighting."""
    return internal_pb2.Presence(
        tenant=sighting.tenant,
        agent=sighting.agent,
        session_id=sighting.session,
        holder=sighting.holder,
        phase=internal_pb2.PresencePhase.ValueType(sighting.phase),
        at_us=to_us(sighting.at),
    ).SerializeToString()


def read_sighting(data: bytes) -> Sighting | None:
    """Read a sighting; None for the question who is there and for anything else."""
    try:
        seen = internal_pb2.Presence.FromString(data)
        phase = Phase(seen.phase)
    except (DecodeError, ValueError):
        return None
    at = at_us(seen.at_us)
    return Sighting(seen.tenant, seen.agent, seen.session_id, seen.holder, phase, at)


def write_declared(declared: Declared) -> bytes:
    """Write a row of AGENTS."""
    return internal_pb2.AgentFacts(
        tenant=declared.tenant,
        agent=declared.agent,
        availability=types_pb2.Availability.ValueType(declared.availability),
        reason=declared.reason,
        since_us=to_us(declared.since_at),
        session_id=declared.session,
        cool_downs=[
            internal_pb2.CoolDown(case_id=one.case_id, until_us=to_us(one.until_at))
            for one in declared.cool_downs[-COOL_DOWNS_MAX:]
        ],
        declared_by=declared.declared_by,
        schedule=types_pb2.Schedule.ValueType(declared.schedule),
        schedule_since_us=0 if declared.schedule_at is None else to_us(declared.schedule_at),
        drain=None if declared.drain is None else _drain(declared.drain),
        drain_operations=declared.operations,
        picks=[
            internal_pb2.Picked(operation_id=operation, case_id=case_id)
            for operation, case_id in declared.picks
        ],
    ).SerializeToString()


def read_declared(value: bytes) -> Declared | None:
    """Read a row of AGENTS; None for anything else."""
    try:
        facts = internal_pb2.AgentFacts.FromString(value)
        availability = Availability(facts.availability)
        schedule = Schedule(facts.schedule or Schedule.ON_SHIFT)
    except (DecodeError, ValueError):
        return None
    return Declared(
        tenant=facts.tenant,
        agent=facts.agent,
        availability=availability,
        reason=facts.reason,
        since_at=at_us(facts.since_us),
        session=facts.session_id,
        declared_by=facts.declared_by,
        cool_downs=tuple(CoolDown(one.case_id, at_us(one.until_us)) for one in facts.cool_downs),
        schedule=schedule,
        schedule_at=at_us(facts.schedule_since_us) if facts.schedule_since_us else None,
        drain=_drained(facts.drain) if facts.HasField("drain") else None,
        operations=tuple(facts.drain_operations),
        picks=tuple((one.operation_id, one.case_id) for one in facts.picks),
    )


def _drain(drain: Drain) -> internal_pb2.Drained:
    return internal_pb2.Drained(
        since_us=to_us(drain.at), by=drain.by, reason=drain.reason, hands_back=drain.hands_back
    )


def _drained(drained: internal_pb2.Drained) -> Drain:
    return Drain(at_us(drained.since_us), drained.by, drained.reason, drained.hands_back)
