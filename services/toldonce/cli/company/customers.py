"""The customers of the demo: who they are, when they come, what they say, how long they wait.

Everything is drawn beforehand from one seed, so the same seed is the same day at the shop. About a
third of the contacts are of people who came before, often on another channel under the same
address; a few of them only add to what they said a moment ago.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from toldonce.cli.company.messages import (
    FIRST_NAMES,
    FOLLOW_UPS,
    LAST_NAMES,
    MESSAGES,
    Message,
)
from toldonce.client.submission import Address, Submission

PER_S = 16.0
DAY_MIN_S = 6.0
REPEATED = 20  # one in so many is sent again
RETURNING = 0.35
FOLLOWING = 0.15
IMPATIENT = 0.15
CHANNELS = {"voice": 0.2, "chat": 0.28, "email": 0.26, "social": 0.14, "shop": 0.12}
LANGUAGES = {"nl": 0.45, "en": 0.25, "de": 0.18, "fr": 0.12}
GATEWAYS = {
    "voice": "switchboard",
    "chat": "webchat",
    "email": "mail",
    "social": "social",
    "shop": "tills",
}
LIVE = ("voice", "chat")


class Repeat(StrEnum):
    """How a submission is sent again."""

    NO = "no"
    LATER = "later, on the same connection"
    BESIDE = "at the same time, on another connection"


@dataclass(frozen=True, slots=True)
class Person:
    """A customer."""

    name: str
    language: str
    address: Address


@dataclass(frozen=True, slots=True)
class Visit:
    """One contact: `at_s` after the doors open; `patience_s` 0 waits as long as it takes."""

    at_s: float
    submission: Submission
    repeat: Repeat
    patience_s: float


def day(contacts: int, seed: int, opens_at: datetime) -> list[Visit]:
    """Draw a day with so many contacts, in the order they come."""
    draw = random.Random(seed)  # noqa: S311 - a demo, not a secret
    people: list[Person] = []
    last: dict[str, float] = {}
    visits = []
    repeats = set(draw.sample(range(contacts), max(1, contacts // REPEATED)))
    for number, at_s in enumerate(_arrivals(contacts, draw)):
        channel = draw.choices(tuple(CHANNELS), tuple(CHANNELS.values()))[0]
        returning = bool(people) and draw.random() < RETURNING
        person = draw.choice(people) if returning else _person(len(people), draw)
        if not returning:
            people.append(person)
        follows = at_s - last.get(person.name, -60.0) < 3.0 and draw.random() < FOLLOWING  # noqa: PLR2004
        last[person.name] = at_s
        written = _words(person, number, draw, follows=follows)
        patience_s = 0.0
        if channel in LIVE and draw.random() < IMPATIENT:
            patience_s = draw.uniform(3.0, 9.0)
        repeat = Repeat.NO
        if number in repeats:
            repeat = draw.choice((Repeat.LATER, Repeat.BESIDE))
        visits.append(
            Visit(
                at_s=at_s,
                submission=Submission(
                    message_id=f"{seed}-{opens_at.timestamp():.0f}-{number}",
                    made_at=opens_at + timedelta(seconds=at_s),
                    channel=channel,
                    text=written,
                    addresses=(person.address,),
                    name=person.name,
                    language=person.language if channel == "voice" else "",
                ),
                repeat=repeat,
                patience_s=patience_s,
            )
        )
    return visits


def _arrivals(contacts: int, draw: random.Random) -> list[float]:
    """Draw when they come: evenly over the day, and two rushes on top."""
    day_s = max(DAY_MIN_S, contacts / PER_S)
    made = []
    for _ in range(contacts):
        at = draw.random()
        if at < 0.2:  # noqa: PLR2004 - a fifth comes in the rushes
            at = draw.choice((0.3, 0.65)) + draw.uniform(0.0, 0.05)
        made.append(at * day_s)
    return sorted(made)


def _person(number: int, draw: random.Random) -> Person:
    language = draw.choices(tuple(LANGUAGES), tuple(LANGUAGES.values()))[0]
    first, last = draw.choice(FIRST_NAMES[language]), draw.choice(LAST_NAMES)
    match number % 4:
        case 0 | 1:
            plain = first.lower().translate(str.maketrans("éèüñ", "eeun"))
            address = Address("EMAIL", f"{plain}.{number}@example.org")
        case 2:
            address = Address("PHONE", f"+316{10_000_000 + number:08d}")
        case _:
            address = Address("ACCOUNT", f"LL-{number:06d}")
    return Person(f"{first} {last} {number}", language, address)


def _words(person: Person, number: int, draw: random.Random, *, follows: bool) -> str:
    if follows:
        text = draw.choice(FOLLOW_UPS[person.language])
    else:
        text = draw.choice([one for one in MESSAGES if _spoken_by(one, person)]).text
    return text.replace("{n}", str(700_000 + number))


def _spoken_by(message: Message, person: Person) -> bool:
    return message.language == person.language
