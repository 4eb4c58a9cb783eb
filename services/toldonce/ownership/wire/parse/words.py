"""What every command has: texts, ids, reasons, references, and who asks."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel import references
from toldonce.kernel.context import normal
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import (
    Own,
    customer_of,
    own_of,
    parse_own,
    parse_tenant,
    parse_whole,
)
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Alias, Reference, Words
from toldonce.ownership.core import Asked, Command

REASON_BYTES_MAX = 256
PART_BYTES_MAX = 8 * 1024
ALIAS_BYTES_MAX = 1_024
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

type Parsed = tuple[str, Command, Words | None]
type Parsers = dict[str, Callable[[Any], Parsed]]


def asked(message: internal_pb2.Command) -> Asked:
    """Say who asks; raises Invalid."""
    tenant = parse_tenant(message.tenant)
    if message.role == options_pb2.ROLE_UNSPECIFIED:
        raise Invalid("role", "who asks must be said")
    role = Role[options_pb2.Role.Name(message.role).removeprefix("ROLE_")]
    operation = Own(parse_own("operation_id", message.operation_id))
    return Asked(operation, Principal(tenant, role, message.subject))


def text_of(field: str, text: str, bytes_max: int) -> str:
    """Bring a text into its stored form; refuses control characters and what is too long."""
    if len(text.encode()) > bytes_max:
        raise Invalid(field, f"at most {bytes_max} bytes of UTF-8; send more by reference")
    control = _CONTROL.search(text)
    if control is not None:
        raise Invalid(field, f"holds a control character (U+{ord(control[0]):04X})")
    return normal(text)


def case_of(field: str, case_id: str) -> tuple[str, Own]:
    """Take an id of 52 characters apart: the customer it was born under, and its own part."""
    parse_whole(field, case_id)
    return customer_of(case_id), Own(own_of(case_id))


def seen_of(field: str, entry_id: str) -> Own:
    """Read which entry of the customer was shown last; it must be said."""
    if not entry_id:
        raise Invalid(field, "say which entry of the customer you saw last")
    return Own(own_of(parse_whole(field, entry_id)))


def reason_of(reason: str, field: str = "reason") -> str:
    """Read a reason code; empty: none was given."""
    if reason and not _REASON.fullmatch(reason):
        raise Invalid(field, "wanted a code such as BUSY or LUNCH_BREAK; words go in a note")
    return reason


def instant_of(field: str, stamp: Timestamp) -> datetime:
    """Read an instant that was set."""
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise Invalid(field, "this is no instant") from None


def alias_of(field: str, alias: types_pb2.Alias) -> Alias:
    """Read an address in its one form, as intake or the gRPC door has brought it."""
    kind = types_pb2.AliasKind.Name(alias.kind).removeprefix("ALIAS_KIND_")
    return Alias(kind, text_of(f"{field}.value", alias.value, ALIAS_BYTES_MAX))


def references_of(attachments: Any) -> tuple[Reference, ...]:  # noqa: ANN401 - a repeated field
    """Read what is kept elsewhere: where, what, how big and, where it is known, its SHA-256."""
    return references.checked(
        [Reference(one.uri, one.media_type, one.size_bytes, one.sha256) for one in attachments]
    )
