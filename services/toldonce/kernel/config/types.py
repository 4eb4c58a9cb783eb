"""The configuration of one tenant, as every service sees it: frozen, checked, looked up by name.

One document holds channels, skills, agents, queues, policies, calendars and SLA. Mappings keep the
order of the document, and that order means something only for topics (the first that fits wins)
and languages (the first is the company's own). Times are whole seconds, costs whole units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from toldonce.kernel.calendar import ALWAYS, Calendar
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.config.forecast import Forecast
from toldonce.kernel.config.holidays import Expansion
from toldonce.kernel.config.owning import DAY_S, Handoff, OwnerAbsent, StandIns, substitutes
from toldonce.kernel.config.success import Success
from toldonce.kernel.config.weighing import Weighing
from toldonce.kernel.skills import Requirement, Step

SCHEMA = 1
ALWAYS_NAME = ALWAYS.name


class ChannelKind(StrEnum):
    """What a channel is made of; decides how an address on it is written the same way twice."""

    VOICE = "voice"
    CHAT = "chat"
    EMAIL = "email"
    SOCIAL = "social"
    SHOP = "shop"
    MESSAGING = "messaging"


class AgentKind(StrEnum):
    """Who answers."""

    HUMAN = "human"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class Channel:
    """A way in. `cost` units of an agent's capacity are held by one piece of its work.

    `reply`: answers go back through the gateway. `queue` takes what no topic fits.
    `first_response_s` is the answer promised to the customer in business seconds of `calendar`
    (0: nothing is promised); where it `commits`, that is a commitment like one an agent makes, and
    the first answer keeps it. `shared_aliases` are addresses that many customers use.
    `owner_absent` is what becomes of its cases when their owner vanishes. `interruptible` work (a
    mail, say) does not keep its agent from work that is not.
    """

    name: str
    kind: ChannelKind
    cost: int
    reply: bool
    calendar: str
    queue: str
    first_response_s: int = 0
    shared_aliases: tuple[str, ...] = ()
    owner_absent: OwnerAbsent = field(default_factory=OwnerAbsent)
    interruptible: bool = False
    commits: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """What a contact is about, found by words, and where it goes.

    `words` maps a language to phrases; a phrase fits when its words stand in the text next to each
    other, upper and lower case alike, and a last word that ends in `*` fits any ending.
    """

    name: str
    queue: str
    words: Mapping[str, tuple[str, ...]]
    skills: tuple[tuple[str, int], ...] = ()
    any_language: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Overflow:
    """Where work goes that finds a queue full or closed, once and at its old age.

    The queue is full while more than `waiting_max` cases wait in it (None: it never is).
    """

    to: str
    waiting_max: int | None = None
    when_closed: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """An ordered waiting set. Its skills are asked of all its work, its priority given to it.

    `offer_timeout_s` None leaves it to the routing policy; `sla` and `escalation_queue` may be "".
    `overflow` None: work waits here however many wait, and until the queue opens.
    """

    name: str
    calendar: str
    sla: str
    policy: str
    dispositions: tuple[str, ...]
    skills: tuple[tuple[str, int], ...] = ()
    escalation_queue: str = ""
    priority: int = 0
    wrap_up_s: int = 0
    offer_timeout_s: int | None = None
    overflow: Overflow | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who answers. Empty `queues` means all of them; `tier` 0 is the front line.

    `substitute` ("" for nobody) is asked first for what they own while they are absent. `group` is
    the team whose weights hold for them ("" for none).
    """

    name: str
    kind: AgentKind
    skills: Mapping[str, int]
    languages: Mapping[str, int]
    capacity_units: int
    queues: frozenset[str] = frozenset()
    tier: int = 0
    substitute: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """How a queue's work finds an agent.

    Priority grows by `age_points_per_minute` while waiting. The owner of the case is preferred for
    `prefer_owner_s`; who declined is not asked again for `decline_cooldown_s`, never for ever.
    Work that has waited `wait_max_s` comes before everything that has not, and is not left apart.
    `weigh` says what a pair of work and agent is worth, `success` what is learned of who resolves
    what. A customer's cases count for `bad_experience_points` more from their second bad experience
    on. Up to `round` agents are asked at once, the first accept wins; for nobody else waits what
    they could take meanwhile.
    """

    name: str = "default"
    steps: tuple[Step, ...] = ()
    prefer_owner_s: int = 20
    decline_cooldown_s: int = 30
    age_points_per_minute: int = 10
    wait_max_s: int = 3_600
    offer_timeout_s: int = 20
    bad_experience_points: int = 50
    round: int = 1
    weigh: Weighing = field(default_factory=Weighing)
    success: Success = field(default_factory=Success)


@dataclass(frozen=True, slots=True)
class Presence:
    """Seconds of an agent's silence: a heartbeat is due, the agent is stale, the work is freed."""

    heartbeat_s: int = 2
    stale_s: int = 6
    gone_s: int = 15


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a tenant: submissions a second (0: none) and bytes of UTF-8 in one text."""

    submit_per_s: int = 0
    text_bytes_max: int = 49_152


DEFAULT_POLICY = RoutingPolicy()


@dataclass(frozen=True, slots=True)
class Config:
    """One tenant's document.

    `digest` is of the document alone (not its comments or layout) with the dates of its holiday
    sets, `expansion`; `revision` of where it is stored (0: nowhere), `zones_version` of the
    time-zone rules the calendars were read with. A closed case can be reopened for
    `reopen_window_s`. `customer_tiers` are what a customer can be to the company. Nothing is routed
    by `forecast`.
    """

    digest: str
    zones_version: str
    languages: tuple[str, ...]
    skills: frozenset[str]
    channels: Mapping[str, Channel]
    topics: Mapping[str, Topic]
    queues: Mapping[str, Queue]
    agents: Mapping[str, Agent]
    policies: Mapping[str, RoutingPolicy]
    calendars: Mapping[str, Calendar]
    sla: Mapping[str, SlaPolicy]
    presence: Presence = field(default_factory=Presence)
    handoff: Handoff = field(default_factory=Handoff)
    limits: Limits = field(default_factory=Limits)
    reopen_window_s: int = 7 * DAY_S
    customer_tiers: tuple[str, ...] = ()
    forecast: Forecast = field(default_factory=Forecast)
    tenant: str = ""
    revision: int = 0
    expansion: Expansion = field(default_factory=Expansion)

    @property
    def policy_version(self) -> str:
        """Revision and digest, such as `7-3fa9c1`: what decisions quote."""
        return f"{self.revision}-{self.digest[:6]}"

    @property
    def calendar_version(self) -> str:
        """Digest and zone rules, such as `3fa9c1-2026b`: what due times quote.

        With holiday sets also the release that made their dates: `3fa9c1-2026b-holidays-0.109`.
        """
        made_by = f"-holidays-{self.expansion.release}" if self.expansion.sets else ""
        return f"{self.digest[:6]}-{self.zones_version}{made_by}"

    def at_revision(self, revision: int) -> "Config":
        """Return this document as stored under `revision`."""
        return replace(self, revision=revision)

    def policy_of(self, queue: str) -> RoutingPolicy:
        """Return the routing policy of a queue; the built-in one when it names none."""
        known = self.queues.get(queue)
        return DEFAULT_POLICY if known is None else self.policies.get(known.policy, DEFAULT_POLICY)

    def sla_of(self, queue: str) -> SlaPolicy | None:
        """Return the SLA policy that a queue names, or None when it names none."""
        known = self.queues.get(queue)
        return None if known is None else self.sla.get(known.sla)

    def sla_for(
        self, queue: str, channel: str, priority: int, tier: str, former: Sequence[str] = ()
    ) -> SlaPolicy | None:
        """Return the SLA policy of such work: the first whose `when` fits, or else its queue's.

        In a queue for which there is none, that of the latest of its `former` queues goes on: what
        a customer was to expect does not end because the case went elsewhere.
        """
        for place in (queue, *reversed(former)):
            for policy in self.sla.values():
                if policy.when is not None and policy.when.fits(place, channel, priority, tier):
                    return policy
            named = self.sla_of(place)
            if named is not None:
                return named
        return None

    def calendar(self, name: str) -> Calendar:
        """Return a calendar; 24x7 when there is none of this name."""
        return self.calendars.get(name, ALWAYS)

    def hours_of(self, queue: str) -> Calendar:
        """Return the opening hours of a queue."""
        known = self.queues.get(queue)
        return ALWAYS if known is None else self.calendar(known.calendar)

    def clock_calendar_of(self, queue: str) -> Calendar:
        """Return the calendar by which the clocks of a queue's work count."""
        return self.counting(self.sla_of(queue), queue)

    def counting(self, policy: SlaPolicy | None, queue: str) -> Calendar:
        """Return the calendar by which clocks under this policy count in this queue."""
        named = "" if policy is None else policy.calendar
        return self.calendar(named) if named else self.hours_of(queue)

    def owner_absent(self, channel: str) -> OwnerAbsent:
        """Return what a channel does about an absent owner; it requeues where it is not known."""
        known = self.channels.get(channel)
        return OwnerAbsent() if known is None else known.owner_absent

    def stand_ins(self) -> StandIns:
        """Return who stands in for whom."""
        return substitutes((agent.name, agent.substitute) for agent in self.agents.values())

    def offer_timeout_s(self, queue: str) -> int:
        """Return how long an offer of this queue's work stands."""
        known = self.queues.get(queue)
        if known is not None and known.offer_timeout_s is not None:
            return known.offer_timeout_s
        return self.policy_of(queue).offer_timeout_s

    def escalation_of(self, queue: str) -> str:
        """Return the queue to which a breach of this queue's clocks goes, or ""."""
        aims, known = self.sla_of(queue), self.queues.get(queue)
        onward = "" if aims is None else aims.escalates.hand_to
        if onward and onward != queue:
            return onward
        return "" if known is None else known.escalation_queue

    def requirement(
        self,
        queue: str,
        *,
        topic: str = "",
        language: str = "",
        preferred_agents: tuple[str, ...] = (),
        excluded_agents: tuple[str, ...] = (),
    ) -> Requirement:
        """Say what work of this topic on this queue asks: the higher level of both counts."""
        about, waits_in = self.topics.get(topic), self.queues.get(queue)
        skills: dict[str, int] = {}
        for source in (about, waits_in):
            for name, level in () if source is None else source.skills:
                skills[name] = max(level, skills.get(name, 0))
        return Requirement(
            queue=queue,
            skills=tuple(sorted(skills.items())),
            language="" if about is not None and about.any_language else language,
            preferred_agents=preferred_agents,
            excluded_agents=excluded_agents,
        )
