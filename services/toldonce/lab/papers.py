"""A scenario written down as a tenant's document, and its contacts as the cases of a log."""

from types import MappingProxyType
from typing import Final

from toldonce.kernel.config.types import (
    Agent,
    AgentKind,
    Channel,
    ChannelKind,
    Config,
    Queue,
    RoutingPolicy,
)
from toldonce.kernel.config.weighing import Weighing
from toldonce.kernel.ids import Own
from toldonce.kernel.instants import instant
from toldonce.kernel.story.types import Case, CaseState, WorkState
from toldonce.lab.scenario import Policy, Scenario

CHANNEL: Final = "phone"
NOBODY_US: Final = 0
_NOBODY: Final = Own("")
_DAY_S: Final = 86_400
_MONTH_S: Final = 30 * _DAY_S
_NOTHING: Final[MappingProxyType[str, int]] = MappingProxyType({})


class Contact:
    """One contact on its way through the desk; instants are microseconds, work a draw of mean 1."""

    __slots__ = ("agent", "came_us", "customer", "patience", "period", "type", "waited_us", "work")

    def __init__(
        self, customer: str, type_: int, *, came_us: int, period: int, draws: tuple[float, float]
    ) -> None:
        """Let it come; `draws` are for its work and its patience, the same when it comes again."""
        self.customer = customer
        self.type = type_
        self.came_us = came_us
        self.period = period
        self.work, self.patience = draws
        self.waited_us = 0  # before it hung up and came again
        self.agent = ""


def names_of(group: str, count: int) -> list[str]:
    """Name the agents of a group."""
    return [f"{group}-{number:04}" for number in range(count)]


def config_of(scenario: Scenario, policy: Policy, names: list[list[str]]) -> Config:
    """Write the scenario down as a tenant's document: a queue a type, a team a group."""
    agents = {}
    for group, of_group in zip(scenario.groups, names, strict=True):
        queues = frozenset(group.service)
        for name in of_group:
            agents[name] = Agent(
                name=name,
                kind=AgentKind.HUMAN,
                skills=_NOTHING,
                languages=_NOTHING,
                capacity_units=1,
                queues=queues,
                group=group.name,
            )
    types = [type_.name for type_ in scenario.types]
    return Config(
        digest=policy.name,
        zones_version="",
        languages=(),
        skills=frozenset(),
        channels={
            CHANNEL: Channel(
                CHANNEL, ChannelKind.VOICE, 1, reply=False, calendar="", queue=types[0]
            )
        },
        topics={},
        queues={name: Queue(name, "", "", name, ()) for name in types},
        agents=agents,
        policies={
            name: RoutingPolicy(
                name,
                wait_max_s=_MONTH_S,
                offer_timeout_s=_DAY_S,
                weigh=policy.weigh.get(name, Weighing()),
                success=policy.success,
            )
            for name in types
        },
        calendars={},
        sla={},
        revision=1,
    )


def case_of(scenario: Scenario, contact: Contact, owned_us: int) -> Case:
    """Make the case of a contact: in line, or owned since `owned_us`."""
    came_at = instant(contact.came_us)
    owned = owned_us != NOBODY_US
    return Case(
        Own(contact.customer),
        1 if owned else 0,
        CaseState.OPEN,
        WorkState.ASSIGNED if owned else WorkState.QUEUED,
        contact.agent,
        "",
        scenario.types[contact.type].name,
        CHANNEL,
        "lab",
        scenario.types[contact.type].name,
        "",
        (),
        0,
        came_at,
        came_at,
        came_at,
        instant(owned_us) if owned else None,
        None,
        None,
        _NOBODY,
        (),
        None,
        0,
        0,
        "",
    )
