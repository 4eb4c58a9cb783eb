"""The configuration of one tenant: `parse` a plain tree, `lint` what came of it, or `read` both."""

from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.config.holidays import NOTHING_EXPANDED, Expansion, Holidays, HolidaySet
from toldonce.kernel.config.hours import Zones
from toldonce.kernel.config.lint import lint
from toldonce.kernel.config.owning import AbsentPolicy, Handoff, HandoffPart, OwnerAbsent, StandIns
from toldonce.kernel.config.parse import parse
from toldonce.kernel.config.types import (
    DEFAULT_POLICY,
    Agent,
    AgentKind,
    Channel,
    ChannelKind,
    Config,
    Limits,
    Presence,
    Queue,
    RoutingPolicy,
    Topic,
)
from toldonce.kernel.errors import Invalid

__all__ = [
    "Config",
    "Channel",
    "ChannelKind",
    "Topic",
    "Queue",
    "Agent",
    "AgentKind",
    "RoutingPolicy",
    "DEFAULT_POLICY",
    "SlaPolicy",
    "Presence",
    "Handoff",
    "HandoffPart",
    "AbsentPolicy",
    "OwnerAbsent",
    "StandIns",
    "Limits",
    "Zones",
    "Holidays",
    "HolidaySet",
    "Expansion",
    "NOTHING_EXPANDED",
    "parse",
    "lint",
    "read",
]


def read(tree: object, zones: Zones, holidays: Holidays = NOTHING_EXPANDED) -> Config:
    """Parse and lint a document; raises Invalid that names every key that is wrong."""
    config = parse(tree, zones, holidays)
    problems = lint(config)
    if problems:
        first, *rest = problems
        raise Invalid(first.field, first.sentence, *rest)
    return config
