"""From what a gateway hands in to a contact that is ready for its story.

Everything is checked here, once: what comes out needs no further question. What is wrong raises
Invalid naming the field as the API calls it. Ids follow from the submission alone; what it is
about, where it waits and what is promised follow from the configuration in force, and stay as they
were first said, because the story keeps them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from toldonce.intake.core.aliases import Identity, identify
from toldonce.intake.core.topics import Choice, Topics
from toldonce.intake.core.words import acknowledgement
from toldonce.kernel import references
from toldonce.kernel.aliases import Addresses, Given
from toldonce.kernel.calendar import Calendar, add_business_time
from toldonce.kernel.config import Channel, Config
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import CustomerId, parse_name, parse_whole, whole
from toldonce.kernel.skills import LEVEL_MAX, LEVEL_MIN, Requirement
from toldonce.kernel.story.events import Alias, Reference, TopicBy
from toldonce.kernel.story.types import PRIORITY_MAX, TEXT_BYTES_MAX
from toldonce.kernel.text import clean, one_line, token

MESSAGE_ID_BYTES_MAX = 256
NAME_BYTES_MAX = 256
SUBJECT_BYTES_MAX = 1_024
SKILLS_MAX = 8
AHEAD_MAX = timedelta(minutes=5)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,6}")
_TRACE = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Submission:
    """What a gateway hands in, nothing of it checked; `made_at` is aware, or None when missing."""

    gateway: str
    message_id: str
    made_at: datetime | None
    channel: str
    aliases: tuple[Given, ...] = ()
    customer_name: str = ""
    subject: str = ""
    text: str = ""
    language_hint: str = ""
    topic_hint: str = ""
    queue_hint: str = ""
    skills_hint: tuple[tuple[str, int], ...] = ()
    priority: int | None = None
    references: tuple[Reference, ...] = ()
    thread_case_id: str = ""
    traceparent: str = ""
    customer_tier: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact ready for its story.

    `fresh` is the story it gets when that of `customer` cannot hold it, `divert` says to go there
    from the start. `language_known` is False when the company's own was taken for want of a better.
    """

    customer: CustomerId
    fresh: CustomerId
    divert: bool
    contact_id: str
    gateway: str
    message_id: str
    made_at: datetime
    channel: str
    aliases: tuple[Alias, ...]
    customer_name: str
    subject: str
    text: str
    language: str
    language_known: bool
    topic: str
    topic_by: TopicBy
    topic_sure_pct: int
    topic_model: str
    requirement: Requirement
    priority: int
    references: tuple[Reference, ...]
    thread_case_id: str
    promised_at: datetime | None
    acknowledgement: str
    policy_version: str
    traceparent: str
    tier: str
    commits: bool


class Detector(Protocol):
    """What can tell a language from a text."""

    def detect(self, text: str, languages: Sequence[str]) -> str:
        """Return one of `languages`, or "" when it is not sure."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What libraries do for `prepare`."""

    addresses: Addresses
    detector: Detector


def prepare(
    given: Submission, *, key: bytes, config: Config, topics: Topics, tools: Tools, now: datetime
) -> Contact:
    """Make a contact of a submission; raises Invalid. `key` is the tenant's, `topics` its own."""
    gateway = parse_name("gateway", given.gateway)
    message_id = token("message_id", given.message_id, bytes_max=MESSAGE_ID_BYTES_MAX)
    channel = _channel(given, config)
    identity = identify(key, gateway, message_id, given.aliases, tools.addresses)
    subject = one_line("subject", given.subject, bytes_max=SUBJECT_BYTES_MAX)
    text = clean("text", given.text, bytes_max=min(config.limits.text_bytes_max, TEXT_BYTES_MAX))
    language = _language(given, subject, text, config, tools.detector)
    spoken = language or config.languages[0]
    chosen = _named(given, config) or topics.choose((subject, text), language)
    topic = chosen.topic
    queue = _queue(given, config, topic, channel)
    promised_at = _promised(channel, config, now)
    hours = config.calendar(channel.calendar)
    return Contact(
        customer=identity.customer,
        fresh=identity.fresh,
        divert=identity.shared or _is_shared(identity, channel),
        contact_id=whole(identity.customer, identity.contact),
        gateway=gateway,
        message_id=message_id,
        made_at=_made_at(given, now),
        channel=channel.name,
        aliases=identity.aliases,
        customer_name=one_line("customer_name", given.customer_name, bytes_max=NAME_BYTES_MAX),
        subject=subject,
        text=text,
        language=spoken,
        language_known=bool(language),
        topic=topic,
        topic_by=chosen.by,
        topic_sure_pct=chosen.sure_pct,
        topic_model=chosen.model,
        requirement=_requirement(given, config, topic, queue, spoken),
        priority=_priority(given, config, topic, queue),
        references=references.checked(given.references),
        thread_case_id=_thread(given),
        promised_at=promised_at,
        acknowledgement=acknowledgement(spoken, now, promised_at, _said_in(hours, config, queue)),
        policy_version=config.policy_version,
        traceparent=given.traceparent if _TRACE.fullmatch(given.traceparent) else "",
        tier=_tier(given, config),
        commits=channel.commits,
    )


def _channel(given: Submission, config: Config) -> Channel:
    found = config.channels.get(parse_name("channel", given.channel))
    if found is None:
        raise Invalid("channel", f"not configured; known are {', '.join(config.channels)}")
    return found


def _made_at(given: Submission, now: datetime) -> datetime:
    if given.made_at is None:
        raise Invalid("made_at", "say when the customer made it, the same on every retry")
    if given.made_at > now + AHEAD_MAX:
        raise Invalid("made_at", "is more than 5 minutes ahead of now; look at the clock there")
    return given.made_at


def _is_shared(identity: Identity, channel: Channel) -> bool:
    """Tell whether the configuration calls the primary alias shared, in either way to write it."""
    if not identity.aliases:
        return False
    return bool({identity.aliases[0].value, identity.named} & set(channel.shared_aliases))


def _language(
    given: Submission, subject: str, text: str, config: Config, detector: Detector
) -> str:
    """Say the language: by the gateway's word, else by the text; "" when neither tells."""
    hint = given.language_hint
    if not hint:
        return detector.detect(f"{subject}\n{text}" if subject else text, config.languages)
    if not _LANGUAGE.fullmatch(hint):
        raise Invalid("language_hint", "wanted a language of BCP 47, such as nl or pt-BR")
    spoken = hint.partition("-")[0].lower()
    return spoken if spoken in config.languages else ""


def _named(given: Submission, config: Config) -> Choice | None:
    hint = given.topic_hint
    if not hint:
        return None
    if parse_name("topic_hint", hint) not in config.topics:
        raise Invalid("topic_hint", f"not configured; known are {', '.join(config.topics)}")
    return Choice(hint, TopicBy.GATEWAY)


def _queue(given: Submission, config: Config, topic: str, channel: Channel) -> str:
    hint = given.queue_hint
    if hint and parse_name("queue_hint", hint) not in config.queues:
        raise Invalid("queue_hint", f"not configured; known are {', '.join(config.queues)}")
    return hint or (config.topics[topic].queue if topic else channel.queue)


def _requirement(
    given: Submission, config: Config, topic: str, queue: str, language: str
) -> Requirement:
    """Say what the work asks: skills of policy and gateway, the higher level of both."""
    asked = config.requirement(queue, topic=topic, language=language)
    if not given.skills_hint:
        return asked
    skills = dict(asked.skills)
    if len(given.skills_hint) > SKILLS_MAX:
        raise Invalid("skills_hint", f"at most {SKILLS_MAX} skills")
    for at, (name, level) in enumerate(given.skills_hint):
        if parse_name(f"skills_hint[{at}].skill", name) not in config.skills:
            raise Invalid(f"skills_hint[{at}].skill", "there is no such skill")
        if not LEVEL_MIN <= level <= LEVEL_MAX:
            raise Invalid(f"skills_hint[{at}].level", f"wanted {LEVEL_MIN} to {LEVEL_MAX}")
        skills[name] = max(level, skills.get(name, 0))
    if len(skills) > SKILLS_MAX:
        raise Invalid("skills_hint", f"with those of the policy more than {SKILLS_MAX} skills")
    return Requirement(queue=queue, skills=tuple(sorted(skills.items())), language=asked.language)


def _priority(given: Submission, config: Config, topic: str, queue: str) -> int:
    """Say how much it counts, higher first: the gateway's word, else the higher of the policy's."""
    if given.priority is None:
        of_topic = config.topics[topic].priority if topic else 0
        return min(max(of_topic, config.queues[queue].priority), PRIORITY_MAX)
    if not 0 <= given.priority <= PRIORITY_MAX:
        raise Invalid("priority", f"wanted 0 to {PRIORITY_MAX}")
    return given.priority


def _tier(given: Submission, config: Config) -> str:
    tier = given.customer_tier
    if tier and parse_name("customer_tier", tier) not in config.customer_tiers:
        known = ", ".join(config.customer_tiers) or "none"
        raise Invalid("customer_tier", f"not configured; known are {known}")
    return tier


def _promised(channel: Channel, config: Config, now: datetime) -> datetime | None:
    if not channel.first_response_s:
        return None
    return add_business_time(config.calendar(channel.calendar), now, channel.first_response_s)


def _said_in(hours: Calendar, config: Config, queue: str) -> Calendar:
    """Say whose wall clock a promise is told by; 24x7 has none, so the queue's is tried then."""
    return config.hours_of(queue) if hours.always else hours


def _thread(given: Submission) -> str:
    case_id = given.thread_case_id
    return parse_whole("thread_case_id", case_id) if case_id else ""
