"""Clocks from outside: which a case has, and how each came to its due time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.seen import instant, word
from toldonce.kernel.account import Span
from toldonce.kernel.clocks import ClockKind


@dataclass(frozen=True, slots=True)
class ClockTold:
    """A clock and the account of its time: `spans` run from its start to `read_at` or its end.

    `why` says why the policy of this name applies; `zone_name` is where the wall clocks hang that
    the calendar speaks of. Of the promise `commitment_id` the policy is that which says when to
    warn, "" if none does, and `why` says where its due time comes from.
    """

    kind: str
    state: str
    started_at: datetime | None
    warn_at: datetime | None
    due_at: datetime | None
    ended_at: datetime | None
    read_at: datetime | None
    target_s: float
    elapsed_s: float
    remaining_s: float
    policy: str
    why: str
    policy_version: str
    calendar: str
    zone_name: str
    calendar_version: str
    spans: tuple[Span, ...]
    commitment_id: str = ""


class Clocks:
    """What agents and supervisors ask about clocks; the token of `client` says who it is."""

    def __init__(self, client: Client) -> None:
        """Ask over `client`."""
        self._client = client

    async def kept(self, case_id: str) -> list[tuple[ClockKind, str]]:
        """Say which clocks are kept of a case: each its kind, and the promise it is of ("": none).

        Raises Missing.
        """
        request = sla_pb2.GetClocksRequest(case_id=case_id)
        given = await again(lambda: self._client.sla.GetClocks(request))
        known = {kind.value: kind for kind in ClockKind}
        return [
            (known[clock.kind], clock.commitment_id)
            for clock in given.clocks
            if clock.kind in known
        ]

    async def explain(self, case_id: str, kind: ClockKind, commitment_id: str = "") -> ClockTold:
        """Explain one clock; raises Missing, Rejected TOO_LONG.

        Of several promises that of the id `commitment_id`, or the first to be due.
        """
        request = sla_pb2.ExplainClockRequest(
            case_id=case_id,
            kind=types_pb2.ClockKind.ValueType(kind),
            commitment_id=commitment_id,
        )
        return told(await again(lambda: self._client.sla.ExplainClock(request)))


def told(given: sla_pb2.ExplainClockResponse) -> ClockTold:
    """Read an answer."""
    clock = given.clock
    return ClockTold(
        kind=word(clock, "kind"),
        state=word(clock, "state"),
        started_at=instant(clock.started_at),
        warn_at=instant(clock.warn_at),
        due_at=instant(clock.due_at),
        ended_at=instant(clock.ended_at),
        read_at=instant(given.read_at),
        target_s=given.target_s,
        elapsed_s=given.elapsed_s,
        remaining_s=given.remaining_s,
        policy=given.policy,
        why=given.policy_reason,
        policy_version=given.policy_version,
        calendar=given.calendar,
        zone_name=given.zone,
        calendar_version=given.calendar_version,
        spans=tuple(map(_span, given.spans)),
        commitment_id=clock.commitment_id,
    )


def _span(given: sla_pb2.ClockSpan) -> Span:
    return Span(
        from_at=given.from_at.ToDatetime(UTC),
        to_at=given.to_at.ToDatetime(UTC),
        counted_s=given.counted_s,
        reason=given.reason,
        merged=given.merged_total or 1,
    )
