"""The demo's people: a day is drawn from its seed, and its messages are found by their words."""

from collections import Counter
from datetime import UTC, datetime

from toldonce.cli.company.customers import REPEATED, Repeat, day
from toldonce.cli.company.judge import percentile
from toldonce.cli.company.messages import MESSAGES
from toldonce.intake.core import Topics
from toldonce.runtime.document import check, demo_text
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.language import Languages
from toldonce.runtime.zones import WheelZones

OPENS_AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_a_seed_draws_the_same_day_twice() -> None:
    assert day(200, 7, OPENS_AT) == day(200, 7, OPENS_AT)
    assert day(200, 7, OPENS_AT) != day(200, 8, OPENS_AT)


def test_a_day_has_every_channel_repeats_and_customers_who_return() -> None:
    visits = day(1000, 1, OPENS_AT)
    assert len(visits) == 1000
    assert len({one.submission.message_id for one in visits}) == 1000
    assert set(Counter(one.submission.channel for one in visits)) == {
        "voice",
        "chat",
        "email",
        "social",
        "shop",
    }
    assert sum(one.repeat is not Repeat.NO for one in visits) == 1000 // REPEATED
    assert {one.repeat for one in visits} == set(Repeat)
    channels: dict[object, set[str]] = {}
    for one in visits:
        channels.setdefault(one.submission.addresses, set()).add(one.submission.channel)
    assert 500 < len(channels) < 800
    assert sum(len(used) > 1 for used in channels.values()) > 100
    assert [one.at_s for one in visits] == sorted(one.at_s for one in visits)


def test_a_demo_has_eighty_messages_whose_topic_is_found() -> None:
    assert len(MESSAGES) >= 80
    assert len({one.text for one in MESSAGES}) == len(MESSAGES)
    assert {one.language for one in MESSAGES} == {"nl", "en", "de", "fr"}
    config = check(demo_text(), WheelZones(), WheelHolidays(2026))
    assert {one.topic for one in MESSAGES} == set(config.topics)
    topics = Topics(config.topics)
    found = [topics.find((one.text,), one.language) for one in MESSAGES]
    wrong = [
        (one.text, topic) for one, topic in zip(MESSAGES, found, strict=True) if topic != one.topic
    ]
    assert wrong == []


def test_the_language_of_most_messages_is_told() -> None:
    languages = Languages()
    told = [languages.detect(one.text, ("nl", "en", "de", "fr")) for one in MESSAGES]
    right = sum(found == one.language for found, one in zip(told, MESSAGES, strict=True))
    assert right > 0.9 * len(MESSAGES)


def test_a_percentile_is_the_value_that_a_share_does_not_exceed() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([], 0.5) == 0
