"""Cases: their paperwork, end and return, and making two of one or one of two."""

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import Own, own_of, parse_name, parse_whole
from toldonce.ownership.core.commands import (
    BeginWrapUp,
    ChangeQueue,
    CloseCase,
    CompleteWrapUp,
    LinkIncident,
    MergeCases,
    ReopenCase,
    SetPriority,
    SplitCase,
)
from toldonce.ownership.wire.parse.words import Parsed, Parsers, case_of, reason_of, seen_of

CONTACTS_SPLIT_MAX = 32


def _begin_wrap_up(body: internal_pb2.BeginWrapUp) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    return customer, BeginWrapUp(case, body.epoch), None


def _complete_wrap_up(body: ownership_pb2.CompleteWrapUpRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    return customer, CompleteWrapUp(case, body.epoch), None


def _close(body: ownership_pb2.CloseCaseRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    command = CloseCase(
        case=case,
        epoch=body.epoch,
        disposition=parse_name("disposition", body.disposition) if body.disposition else "",
        seen=seen_of("seen_entry_id", body.seen_entry_id),
        re_told=body.re_told if body.HasField("re_told") else None,
        resolved_first_owner=(
            body.resolved_first_owner if body.HasField("resolved_first_owner") else None
        ),
    )
    return customer, command, None


def _reopen(body: ownership_pb2.ReopenCaseRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    return customer, ReopenCase(case, reason_of(body.reason)), None


def _merge(body: ownership_pb2.MergeCasesRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    command = MergeCases(
        case=case,
        epoch=body.epoch,
        merged=case_of("merged_case_id", body.merged_case_id)[1],
        seen=seen_of("seen_entry_id", body.seen_entry_id),
        merged_seen=seen_of("merged_seen_entry_id", body.merged_seen_entry_id),
    )
    return customer, command, None


def _split(body: ownership_pb2.SplitCaseRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    if not 0 < len(body.contact_ids) <= CONTACTS_SPLIT_MAX:
        raise Invalid("contact_ids", f"wanted 1 to {CONTACTS_SPLIT_MAX}")
    chosen = tuple(
        dict.fromkeys(Own(own_of(parse_whole("contact_ids", one))) for one in body.contact_ids)
    )
    return customer, SplitCase(case, body.epoch, chosen), None


def _incident(body: internal_pb2.LinkIncident) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    incident = parse_name("incident", body.incident) if body.incident else ""
    return customer, LinkIncident(case, incident), None


def _priority(body: internal_pb2.SetPriority) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    return customer, SetPriority(case, body.priority, reason_of(body.reason)), None


def _queue(body: internal_pb2.ChangeQueue) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    left = parse_name("from_queue", body.from_queue) if body.from_queue else ""
    queue = parse_name("queue", body.queue)
    return customer, ChangeQueue(case, body.epoch, left, queue, reason_of(body.reason)), None


PARSERS: Parsers = {
    "begin_wrap_up": _begin_wrap_up,
    "complete_wrap_up": _complete_wrap_up,
    "close_case": _close,
    "reopen_case": _reopen,
    "merge_cases": _merge,
    "split_case": _split,
    "link_incident": _incident,
    "set_priority": _priority,
    "change_queue": _queue,
}
