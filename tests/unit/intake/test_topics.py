"""The first topic whose phrase stands in the text, in the customer's language first."""

import pytest

from tests.unit.intake.desk import config
from toldonce.intake.core import Topics
from toldonce.kernel.config import Topic

TOPICS = Topics(config().topics)


@pytest.mark.parametrize(
    ("text", "language", "topic"),
    [
        ("Mijn PAKKETJE is weg", "nl", "late-delivery"),
        ("de pakkerij is dicht", "nl", ""),
        ("Ik wil mijn geld terug!", "nl", "refund"),
        ("Ik wil mijn geld graag terug", "nl", ""),
        ("It won\u2019t turn on", "en", "technical"),
        ("where is my parcel? this is the third time", "en", "complaint"),
        ("Das Paket ist nicht angekommen", "de", "late-delivery"),
        ("R\u00c9CLAMATION", "fr", "complaint"),
        ("Re\u0301clamation", "fr", "complaint"),
        ("rembourser", "", "refund"),
        ("rembourser", "de", "refund"),
        ("", "nl", ""),
        ("bonjour", "fr", ""),
    ],
)
def test_text_finds_its_topic(text: str, language: str, topic: str) -> None:
    assert TOPICS.find((text,), language) == topic


def test_own_language_goes_before_the_order_of_topics() -> None:
    topics = Topics(
        {
            "first": Topic("first", "q", {"fr": ("change",)}),
            "second": Topic("second", "q", {"en": ("change",)}),
        }
    )
    assert topics.find(("change",), "en") == "second"
    assert topics.find(("change",), "") == "first"
    assert topics.find(("change",), "nl") == "first"


def test_phrase_does_not_run_from_subject_into_text() -> None:
    assert TOPICS.find(("alles over geld", "terug naar huis"), "nl") == ""
    assert TOPICS.find(("", "geld terug"), "nl") == "refund"


def test_very_long_text_is_read_up_to_a_bound() -> None:
    assert TOPICS.find(("woord " * 5_000 + "refund",), "en") == ""
