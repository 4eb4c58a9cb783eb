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

__all__ = [
    "command",
    "format_channels",
    "format_clocks",
    "format_explanation",
    "parse_explain_clock",
    "parse_get_channel_gap",
    "parse_get_clocks",
    "read_reply",
]
