"""An export as JSON lines, in pieces of at most 256 KiB.

A line says what it is (`line`): `story` with the head as it stands, or `event` with its facts, its
words (null when they were forgotten) and, of an offer, the decision behind it. Ids are written
whole, so that each can be asked for; moments are ISO 8601 in UTC; other bytes are hexadecimal.
"""

import dataclasses
import functools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import datetime
from enum import Enum
from typing import Any, get_type_hints

from google.protobuf.json_format import MessageToDict

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.context import type_of
from toldonce.kernel.ids import CustomerId, Own, whole
from toldonce.kernel.story.events import Event, Fenced, Offered
from toldonce.kernel.story.record import Logged, Placed
from toldonce.ownership.handler.export import Exported

PIECE_BYTES_MAX = 256 * 1024

type _Json = dict[str, Any]


async def pieces(
    exported: AsyncIterator[Exported],
) -> AsyncGenerator[ownership_pb2.ExportCustomerResponse]:
    """Write an export as pieces, whole lines where they fit."""
    waiting = bytearray()
    async for one in exported:
        for line in _lines(one):
            if waiting and len(waiting) + len(line) > PIECE_BYTES_MAX:
                yield ownership_pb2.ExportCustomerResponse(chunk=bytes(waiting))
                waiting.clear()
            waiting += line
            while len(waiting) > PIECE_BYTES_MAX:
                cut = bytes(waiting[:PIECE_BYTES_MAX])
                del waiting[:PIECE_BYTES_MAX]
                yield ownership_pb2.ExportCustomerResponse(chunk=cut)
    if waiting:
        yield ownership_pb2.ExportCustomerResponse(chunk=bytes(waiting))


def _lines(one: Exported) -> Iterator[bytes]:
    found: list[_Json] = []
    if one.placed is not None:
        found.append(_story(one.customer, one.placed))
    if one.logged is not None:
        found += _events(one, one.logged)
    for line in found:
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _story(customer: CustomerId, placed: Placed) -> _Json:
    head: _Json = _plain(placed.story, customer)
    for packed in ("contacts", "operations"):
        head.pop(packed, None)  # ids only, packed; each stands with its event
    return {"line": "story", "customer_id": customer, "sequence": placed.sequence, "head": head}


def _events(one: Exported, logged: Logged) -> Iterator[_Json]:
    record = logged.record
    for index, event in enumerate(record.events):
        if isinstance(event, Fenced):
            continue
        said = None if one.words is None else one.words.get(index)
        yield {
            "line": "event",
            "customer_id": one.customer,
            "told_as": record.customer,
            "sequence": logged.sequence,
            "index": index,
            "event_id": record.event_id(index),
            "at": record.at.isoformat(),
            "type": type_of(event),
            "actor": record.actor,
            "facts": _facts(event, one.customer),
            "words": None if said is None else _plain(said, one.customer),
            "forgotten": one.words is None,
        }


def _facts(event: Event, customer: CustomerId) -> _Json:
    found: _Json = _plain(event, customer)
    if isinstance(event, Offered):
        trace = types_pb2.DecisionTrace.FromString(event.trace)
        found["trace"] = MessageToDict(trace, preserving_proto_field_name=True)
    return found


def _plain(value: Any, customer: CustomerId) -> Any:  # noqa: ANN401 - whatever a fact is made of
    match value:
        case Enum():
            return value.name
        case datetime():
            return value.isoformat()
        case bytes():
            return value.hex()
        case tuple():
            return [_plain(one, customer) for one in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            kinds = _kinds(type(value))
            return {name: _named(getattr(value, name), kinds[name], customer) for name in kinds}
        case _:
            return value


def _named(value: Any, kind: object, customer: CustomerId) -> Any:  # noqa: ANN401 - see `_plain`
    if kind is Own:
        return whole(customer, value) if value else ""
    if kind == tuple[Own, ...]:
        return [whole(customer, own) for own in value]
    return _plain(value, customer)


@functools.cache
def _kinds(of: type) -> dict[str, object]:
    hints = get_type_hints(of)
    return {field.name: hints[field.name] for field in dataclasses.fields(of)}
