"""Between protobuf and the core of sla; the only place that knows both."""

from toldonce.sla.wire.channels import format_channels, parse_get_channel_gap
from toldonce.sla.wire.clocks import (
    command,
    format_clocks,
    format_explanation,
    parse_explain_clock,
    parse_get_clocks,
    read_reply,
)
from toldonce.sla.wire.lines import BusLines
from toldonce.sla.wire.risk import format_told, parse_watch

__all__ = [
    "BusLines",
    "command",
    "format_channels",
    "format_clocks",
    "format_explanation",
    "format_told",
    "parse_explain_clock",
    "parse_get_channel_gap",
    "parse_get_clocks",
    "parse_watch",
    "read_reply",
]
