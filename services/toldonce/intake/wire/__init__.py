"""Between protobuf and the core of intake; the only place that knows both."""

from toldonce.intake.wire.door import Door
from toldonce.intake.wire.engine import Engine
from toldonce.intake.wire.requests import callback, cancel_reason, gateway_of, submission
from toldonce.intake.wire.views import acknowledgement, newcomer, outbox_entry, standing

__all__ = [
    "Door",
    "Engine",
    "acknowledgement",
    "callback",
    "cancel_reason",
    "gateway_of",
    "newcomer",
    "outbox_entry",
    "standing",
    "submission",
]
