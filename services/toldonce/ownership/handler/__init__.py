"""Load, decide, append: the one way into a story, for gRPC and the bus alike."""

from toldonce.ownership.handler.context import Context
from toldonce.ownership.handler.export import export
from toldonce.ownership.handler.handler import Ownership, Received
from toldonce.ownership.handler.recorder import Ask
from toldonce.ownership.handler.rules import rules_of
from toldonce.ownership.handler.stories import Stories
from toldonce.ownership.handler.telling import tell
from toldonce.ownership.handler.writer import Done, Writer

__all__ = [
    "Ask",
    "Context",
    "Done",
    "Ownership",
    "Received",
    "Stories",
    "Writer",
    "export",
    "rules_of",
    "tell",
]
