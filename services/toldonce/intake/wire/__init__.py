"""Between protobuf and the core of intake; the only place that knows both."""

from toldonce.intake.wire.door import Door
from toldonce.intake.wire.requests import callback, cancel_reason, gateway_of, submission
from toldonce.intake.wire.views import acknowledgement, outbox_entry, unknown_place

__all__ = [
    "Door",
    "acknowledgement",
    "callback",
    "cancel_reason",
    "gateway_of",
    "outbox_entry",
    "submission",
    "unknown_place",
]
