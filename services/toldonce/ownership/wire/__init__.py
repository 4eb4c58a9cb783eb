"""Between protobuf and the core of ownership; the only place that knows both."""

from toldonce.ownership.wire.context import context_page, parse_context_request
from toldonce.ownership.wire.customers import Customers
from toldonce.ownership.wire.execute import answer, execute
from toldonce.ownership.wire.export import pieces
from toldonce.ownership.wire.parse import command_of
from toldonce.ownership.wire.views import listed
from toldonce.runtime.case_views import case_view

__all__ = [
    "Customers",
    "answer",
    "case_view",
    "command_of",
    "context_page",
    "execute",
    "listed",
    "parse_context_request",
    "pieces",
]
