"""Between calls and who is at risk."""

from collections.abc import Iterator
from datetime import datetime
from math import floor

from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.config.words import near
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import CustomerId, parse_name
from toldonce.kernel.instants import instant
from toldonce.kernel.sla import clocks_of, policy_of, promise_clock
from toldonce.runtime.case_views import case_view, commitment_view, stamp
from toldonce.sla.core import Due, Looming, Prediction
from toldonce.sla.handler import AtRisk, CaseNow, Gone, Listed, Told, Wanted
from toldonce.sla.wire.clocks import clock_view, promise_view

WITHIN_S = 900
WITHIN_MAX_S = 86_400


def parse_watch(request: sla_pb2.WatchAtRiskRequest, config: Config) -> Wanted:
    """Read what is to be watched; raises Invalid, also for a queue that `config` does not have."""
    within_s = request.within_s or WITHIN_S
    if not 1 <= within_s <= WITHIN_MAX_S:
        raise Invalid("within_s", f"wanted 1 to {WITHIN_MAX_S}, or 0 for {WITHIN_S}")
    queue = parse_name("queue", request.queue) if request.queue else ""
    if queue and queue not in config.queues:
        meant = near(queue, config.queues)
        guess = f"; did you mean {meant}?" if meant else ""
        raise Invalid("queue", f"there is no queue {queue!r}{guess}")
    return Wanted(within_s, queue)


def format_told(told: Told, config: Config, now: datetime) -> sla_pb2.WatchAtRiskResponse:
    """Show a case at risk as it is at `now`, one that is no longer, or how many there are."""
    match told:
        case AtRisk(looming, due, prediction):
            return sla_pb2.WatchAtRiskResponse(
                case=_case(looming),
                clock=next(_clocks(looming, due, config, now)),
                predicted=None if prediction is None else _predicted(prediction),
                read_at=stamp(now),
            )
        case Gone(last):
            who = types_pb2.CaseView(
                case_id=last.looming.case_id,
                customer_id=last.looming.customer,
                queue=last.looming.queue,
            )
            return sla_pb2.WatchAtRiskResponse(case=who, gone=True, read_at=stamp(now))
        case Listed(cases, behind):
            listed = sla_pb2.AtRiskListed(at_risk_cases=cases, behind=behind)
            return sla_pb2.WatchAtRiskResponse(listed=listed, read_at=stamp(now))


def _case(looming: Looming) -> types_pb2.CaseView:
    if looming.case is not None:
        return case_view(
            looming.customer, looming.case, looming.sequence, commitments=looming.commitments
        )
    return types_pb2.CaseView(
        case_id=looming.case_id,
        customer_id=looming.customer,
        sequence=looming.sequence,
        commitments=[commitment_view(looming.customer, one) for one in looming.commitments],
    )


def _clocks(
    looming: Looming, due: Due, config: Config, now: datetime
) -> Iterator[types_pb2.SlaClock]:
    """Show the clock that is meant; at last as it was known, should the policy keep it no more."""
    case = looming.case
    if due.kind is ClockKind.COMMITMENT:
        policy = None if case is None else policy_of(case, config)
        for promise in looming.commitments:
            if promise.own == due.commitment:
                clock = promise_clock(promise, now, policy)
                yield promise_view(looming.customer, promise, clock)
    elif case is not None:
        customer = CustomerId(looming.customer)
        read = CaseNow(customer, case, looming.sequence, config, now)
        for clock in clocks_of(case, config, now):
            if clock.kind is due.kind:
                yield clock_view(read, clock)
    at = instant(due.at_us)
    yield types_pb2.SlaClock(
        kind=types_pb2.ClockKind.ValueType(due.kind),
        due_at=stamp(at),
        remaining_s=floor((at - now).total_seconds()),
    )


def _predicted(prediction: Prediction) -> sla_pb2.PredictedBreach:
    return sla_pb2.PredictedBreach(
        kind=types_pb2.ClockKind.ValueType(prediction.kind),
        due_at=stamp(instant(prediction.due.at_us)),
        expected_at=stamp(instant(prediction.expected_us)),
        position=prediction.place,
        source=sla_pb2.PREDICTION_SOURCE_LINE,
    )
