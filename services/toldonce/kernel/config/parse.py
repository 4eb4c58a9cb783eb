"""From a plain tree to a `Config`: shapes, ranges and names; what belongs together is for `lint`.

The digest is of the tree in a canonical form, so layout, comments and the order of keys do not
change it, and neither does a newer version of this code. The dates of holiday sets are part of it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace

from toldonce.kernel.config.aims import TARGET_MAX_S, SlaPolicy, sla
from toldonce.kernel.config.forecast import forecast
from toldonce.kernel.config.holidays import NOTHING_EXPANDED, Expander, Expansion, Holidays
from toldonce.kernel.config.hours import Zones, calendars
from toldonce.kernel.config.overflow import overflow
from toldonce.kernel.config.owning import DAY_S
from toldonce.kernel.config.policies import (
    PRIORITY_MAX,
    handoff,
    limits,
    owner_absent,
    policies,
    presence,
    reopen_window_s,
)
from toldonce.kernel.config.tree import Fields, Problems, fields
from toldonce.kernel.config.types import (
    ALWAYS_NAME,
    SCHEMA,
    Agent,
    AgentKind,
    Channel,
    ChannelKind,
    Config,
    Queue,
    RoutingPolicy,
    Topic,
)

AGENTS_MAX = 50_000
UNITS_MAX = 1_000

SECTIONS = (
    "version",
    "tenant",
    "languages",
    "skills",
    "channels",
    "topics",
    "queues",
    "agents",
    "policies",
    "calendars",
    "sla",
    "presence",
    "handoff",
    "limits",
    "reopen_window_s",
    "customer_tiers",
    "forecast",
)
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def parse(tree: object, zones: Zones, holidays: Holidays = NOTHING_EXPANDED) -> Config:
    """Read one tenant's document; raises Invalid that names every key that is wrong.

    `holidays` expands holiday sets; without it a document that has some is refused.
    """
    problems = Problems()
    expander = Expander(holidays)
    document = fields("", tree, SECTIONS, problems)
    if document.whole("version", SCHEMA, SCHEMA) != SCHEMA:
        document.wrong("version", f"this program reads version {SCHEMA}")
    config = Config(
        digest="",
        zones_version=zones.version,
        tenant=document.text("tenant", ""),
        languages=_languages(document),
        skills=frozenset(document.names("skills", required=True)),
        channels=_named(document, "channels", _channels(document)),
        topics=_named(document, "topics", _topics(document)),
        queues=_named(document, "queues", _queues(document)),
        agents=_named(document, "agents", _agents(document)),
        policies=_named(document, "policies", policies(document)),
        calendars=calendars(document, zones, expander),
        sla=_named(document, "sla", sla(document)),
        presence=presence(document),
        handoff=handoff(document),
        limits=limits(document),
        reopen_window_s=reopen_window_s(document),
        customer_tiers=document.names("customer_tiers", count_max=50),
        forecast=forecast(document),
    )
    problems.refuse()
    expansion = expander.expansion()
    return replace(config, digest=digest(tree, expansion), expansion=expansion)


def digest(tree: object, expansion: Expansion = NOTHING_EXPANDED) -> str:
    """Return the SHA-256, in hex, of a plain tree in canonical form and of its holidays."""
    days = _canonical(expansion.plain()) if expansion.sets else b""
    return hashlib.sha256(_canonical(tree) + days).hexdigest()


def _canonical(tree: object) -> bytes:
    match tree:
        case Mapping():
            pairs = sorted((str(k), _canonical(v)) for k, v in tree.items())
            inner = b"".join(_canonical(k) + v for k, v in pairs)
            return b"m%d:%s" % (len(pairs), inner)
        case list() | tuple():
            return b"l%d:%s" % (len(tree), b"".join(_canonical(item) for item in tree))
        case str():
            raw = tree.encode("utf-8", "surrogatepass")
            return b"s%d:%s" % (len(raw), raw)
        case _:
            return b"v%s;" % repr(tree).encode()


type _Named = Channel | Topic | Queue | Agent | RoutingPolicy | SlaPolicy


def _named[T: _Named](document: Fields, section: str, entries: list[T]) -> dict[str, T]:
    """Look entries up by name; a name may be there once."""
    found: dict[str, T] = {}
    for index, entry in enumerate(entries):
        if entry.name and entry.name in found:
            path = f"{section}[{index}].name"
            document.problems.add(path, f"{entry.name!r} is there twice")
        found[entry.name] = entry
    return found


def _languages(document: Fields) -> tuple[str, ...]:
    found = document.names("languages", required=True, count_max=50)
    for index, language in enumerate(found):
        if language and not _LANGUAGE.fullmatch(language):
            document.problems.add(
                f"languages[{index}]", f"wanted two or three letters such as nl, got {language!r}"
            )
    return found


def _channels(document: Fields) -> list[Channel]:
    known = (
        "name",
        "kind",
        "cost",
        "reply",
        "calendar",
        "queue",
        "first_response_s",
        "shared_aliases",
        "owner_absent",
        "interruptible",
        "commits",
    )
    return [
        Channel(
            name=entry.name("name"),
            kind=entry.choice("kind", ChannelKind),
            cost=entry.whole("cost", 1, UNITS_MAX),
            reply=entry.flag("reply", default=True),
            calendar=entry.name("calendar", ALWAYS_NAME),
            queue=entry.name("queue"),
            first_response_s=entry.whole("first_response_s", 0, TARGET_MAX_S, 0),
            shared_aliases=entry.texts("shared_aliases"),
            owner_absent=owner_absent(entry),
            interruptible=entry.flag("interruptible", default=False),
            commits=_commits(entry),
        )
        for entry in document.sections("channels", known, required=True)
    ]


def _commits(channel: Fields) -> bool:
    commits = channel.flag("commits", default=False)
    if commits and not channel.values.get("first_response_s"):
        channel.wrong("commits", "wanted first_response_s too: nothing is promised without it")
    return commits


def _topics(document: Fields) -> list[Topic]:
    known = ("name", "queue", "words", "skills", "any_language", "priority")
    return [
        Topic(
            name=entry.name("name"),
            queue=entry.name("queue"),
            words=_words(entry),
            skills=tuple(sorted(entry.levels("skills").items())),
            any_language=entry.flag("any_language", default=False),
            priority=entry.whole("priority", 0, PRIORITY_MAX, 0),
        )
        for entry in document.sections("topics", known)
    ]


def _words(entry: Fields) -> dict[str, tuple[str, ...]]:
    words = entry.mapping("words")
    return {language: words.texts(language) for language in words.values}


def _queues(document: Fields) -> list[Queue]:
    known = (
        "name",
        "calendar",
        "sla",
        "policy",
        "dispositions",
        "skills",
        "escalation_queue",
        "priority",
        "wrap_up_s",
        "offer_timeout_s",
        "overflow",
    )
    return [
        Queue(
            name=entry.name("name"),
            calendar=entry.name("calendar", ALWAYS_NAME),
            sla=entry.name("sla", ""),
            policy=entry.name("policy", ""),
            dispositions=entry.names("dispositions", required=True),
            skills=tuple(sorted(entry.levels("skills").items())),
            escalation_queue=entry.name("escalation_queue", ""),
            priority=entry.whole("priority", 0, PRIORITY_MAX, 0),
            wrap_up_s=entry.whole("wrap_up_s", 0, DAY_S, 0),
            offer_timeout_s=(
                entry.whole("offer_timeout_s", 1, DAY_S)
                if "offer_timeout_s" in entry.values
                else None
            ),
            overflow=overflow(entry),
        )
        for entry in document.sections("queues", known, required=True)
    ]


def _agents(document: Fields) -> list[Agent]:
    known = (
        "name",
        "kind",
        "skills",
        "languages",
        "capacity_units",
        "queues",
        "tier",
        "substitute",
        "group",
    )
    return [
        Agent(
            name=entry.name("name"),
            kind=entry.choice("kind", AgentKind, AgentKind.HUMAN),
            skills=entry.levels("skills"),
            languages=entry.levels("languages"),
            capacity_units=entry.whole("capacity_units", 1, UNITS_MAX),
            queues=frozenset(entry.names("queues")),
            tier=entry.whole("tier", 0, 9, 0),
            substitute=entry.name("substitute", ""),
            group=entry.name("group", ""),
        )
        for entry in document.sections("agents", known, required=True, count_max=AGENTS_MAX)
    ]
