"""Languages are told apart among a tenant's own, and not guessed at."""

from pathlib import Path

import pytest

from toldonce.runtime.language import Languages

FOUR = ("nl", "en", "de", "fr")
MESSAGES = Path(__file__).parents[4] / "shared" / "data" / "short_messages" / "messages.tsv"


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Waar blijft mijn bestelling, ik wacht al twee weken?", "nl"),
        ("Where is my order, I have been waiting for two weeks?", "en"),
        ("Wo bleibt meine Bestellung, ich warte seit zwei Wochen?", "de"),
        ("Où est ma commande, j'attends depuis deux semaines ?", "fr"),
    ],
)
def test_sentence_is_told_by_its_language(languages: Languages, text: str, language: str) -> None:
    assert languages.detect(text, FOUR) == language


@pytest.mark.parametrize("text", ["", "?", "1234", "\U0001f600", "a", "ok", "hi", "#48213"])
def test_text_too_short_to_tell_is_unknown(languages: Languages, text: str) -> None:
    assert languages.detect(text, FOUR) == ""


def test_only_languages_of_the_tenant_are_told(languages: Languages) -> None:
    dutch = "Waar blijft mijn bestelling, ik wacht al twee weken?"
    assert languages.detect(dutch, ("en", "fr")) in {"en", "fr", ""}
    assert languages.detect(dutch, ("nl",)) == "nl"
    assert languages.detect(dutch, ("zz", "qq")) == ""


def test_tenants_do_not_disturb_each_other(languages: Languages) -> None:
    german = "Wo bleibt meine Bestellung, ich warte seit zwei Wochen?"
    for _ in range(3):
        assert languages.detect(german, FOUR) == "de"
        assert languages.detect(german, ("nl", "en")) != "de"


@pytest.mark.skipif(not MESSAGES.exists(), reason="the shared data are not beside this repository")
def test_short_messages_are_right_or_unknown_nearly_always(languages: Languages) -> None:
    rows = [line.split("\t") for line in MESSAGES.read_text().splitlines() if "\t" in line]
    told = [(language, languages.detect(text, FOUR)) for language, text in rows]
    wrong = sum(found not in {"", language} for language, found in told)
    unknown = sum(found == "" for _, found in told)
    assert len(told) == 120
    assert wrong <= 3
    assert unknown <= 10
