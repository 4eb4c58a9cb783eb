"""From a `Command` message to an `Ask`: everything is checked here, once, a file for each noun."""

from typing import Any

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.types.v1 import options_pb2
from toldonce.kernel.errors import Invalid, Unbuilt
from toldonce.kernel.ids import drawn_at, parse_own
from toldonce.kernel.principal import Principal
from toldonce.ownership.handler import Ask
from toldonce.ownership.wire.parse import (
    cases,
    commitments,
    contacts,
    handoffs,
    offers,
    scheduling,
    timers,
)
from toldonce.ownership.wire.parse.contacts import contact_of
from toldonce.ownership.wire.parse.scheduling import callback_of
from toldonce.ownership.wire.parse.words import (
    PART_BYTES_MAX,
    REASON_BYTES_MAX,
    Parsers,
    asked,
    reason_of,
    text_of,
)
from toldonce.runtime.ids import new_id

__all__ = [
    "PART_BYTES_MAX",
    "REASON_BYTES_MAX",
    "ask_of",
    "asked",
    "callback_of",
    "command_of",
    "contact_of",
    "reason_of",
    "text_of",
]


def command_of(principal: Principal, operation: str, **body: Any) -> internal_pb2.Command:  # noqa: ANN401 - one body of many
    """Wrap a public request as the command it is; no operation id: a fresh one is drawn.

    Raises Invalid for an id that is no uuid7: when it was drawn tells how far back a repeat of it
    must be looked for.
    """
    if operation and drawn_at(parse_own("operation_id", operation)) is None:
        raise Invalid("operation_id", "wanted a uuid7 in 26 characters of base32")
    return internal_pb2.Command(
        tenant=principal.tenant,
        role=options_pb2.Role.Value(f"ROLE_{principal.role.name}"),
        subject=principal.subject,
        operation_id=operation or new_id(),
        **body,
    )


def ask_of(message: internal_pb2.Command) -> Ask:
    """Parse any command about something that exists already; raises Invalid or Unbuilt."""
    body = message.WhichOneof("body")
    if body is None or body not in _PARSERS:
        raise Unbuilt(f"ownership does not know how to {body or 'do nothing'}")
    by = asked(message)
    customer, command, words = _PARSERS[body](getattr(message, body))
    return Ask(message.tenant, customer, command, by, words, message.traceparent)


_PARSERS: Parsers = {
    **contacts.PARSERS,
    **offers.PARSERS,
    **handoffs.PARSERS,
    **timers.PARSERS,
    **cases.PARSERS,
    **commitments.PARSERS,
    **scheduling.PARSERS,
}
