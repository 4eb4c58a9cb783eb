"""What a submission becomes, and every way in which one is refused by its field."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.intake.desk import MAIL, NOW, config, prepared, submission
from toldonce.intake.core import Given, Kind
from toldonce.intake.core.words import acknowledgement
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import parse_own, parse_whole
from toldonce.kernel.story.events import Reference

FILE = Reference("https://files.example/1", "image/png", 3, "")


def test_contact_is_ready_for_its_story() -> None:
    contact = prepared()
    parse_own("customer", contact.customer)
    parse_whole("contact", contact.contact_id)
    assert contact.contact_id.startswith(contact.customer)
    assert (contact.topic, contact.requirement.queue) == ("late-delivery", "orders")
    assert contact.requirement.skills == (("delivery", 2), ("orders", 2))
    assert (contact.language, contact.requirement.language) == ("nl", "nl")
    assert contact.policy_version.startswith("7-")
    assert contact.promised_at == NOW + timedelta(seconds=60)
    assert not contact.divert


def test_ids_are_those_of_every_version_before() -> None:
    contact = prepared()
    assert contact.customer == "68t5sxt0f25bj2dqt142xgf28y"
    assert contact.contact_id == "68t5sxt0f25bj2dqt142xgf28y6094znythm4h39w4agq5c2gjp7"
    assert contact.fresh == "2a8r1yr87a0gdfzz600h9pvfpn"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"gateway": ""}, "gateway"),
        ({"gateway": "we*b"}, "gateway"),
        ({"gateway": "we.b"}, "gateway"),
        ({"message_id": ""}, "message_id"),
        ({"message_id": "a\nb"}, "message_id"),
        ({"message_id": "x" * 257}, "message_id"),
        ({"message_id": "\ud800"}, "message_id"),
        ({"made_at": None}, "made_at"),
        ({"made_at": NOW + timedelta(minutes=6)}, "made_at"),
        ({"channel": ""}, "channel"),
        ({"channel": "fax"}, "channel"),
        ({"channel": "chat>"}, "channel"),
        ({"channel": "chat *"}, "channel"),
        ({"text": "x" * 49_153}, "text"),
        ({"text": "\u00e9" * 24_577}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "a\x07b"}, "text"),
        ({"text": "a\x85b"}, "text"),
        ({"text": "a\udc00b"}, "text"),
        ({"subject": "x" * 1_025}, "subject"),
        ({"subject": "\x1b[31m"}, "subject"),
        ({"customer_name": "x" * 257}, "customer_name"),
        ({"language_hint": "dutch!"}, "language_hint"),
        ({"topic_hint": "weather"}, "topic_hint"),
        ({"topic_hint": "a b"}, "topic_hint"),
        ({"queue_hint": "nowhere"}, "queue_hint"),
        ({"queue_hint": "orders\n"}, "queue_hint"),
        ({"skills_hint": (("magic", 1),)}, "skills_hint[0].skill"),
        ({"skills_hint": (("billing", 6),)}, "skills_hint[0].level"),
        ({"skills_hint": (("billing", 0),)}, "skills_hint[0].level"),
        ({"skills_hint": (("billing", 1),) * 9}, "skills_hint"),
        ({"priority": -1}, "priority"),
        ({"priority": 1_001}, "priority"),
        ({"thread_case_id": "x"}, "thread_case_id"),
        ({"thread_case_id": "0" * 26 + "*" * 26}, "thread_case_id"),
        ({"references": (FILE,) * 17}, "attachments"),
        ({"references": (replace(FILE, uri="/etc/passwd"),)}, "attachments[0].uri"),
        ({"references": (replace(FILE, uri=""),)}, "attachments[0].uri"),
        ({"references": (replace(FILE, media_type="png"),)}, "attachments[0].media_type"),
        ({"references": (replace(FILE, sha256="ABC"),)}, "attachments[0].sha256"),
        ({"aliases": (MAIL, Given(Kind.EMAIL, "?"))}, "aliases[1].value"),
    ],
)
def test_submission_that_is_wrong_is_refused_by_its_field(
    changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        prepared(submission(**changed))
    assert refused.value.problems[0].field == field


def test_text_of_48_kib_fits() -> None:
    assert len(prepared(submission(text="x" * 49_152)).text) == 49_152


def test_text_is_kept_in_one_form() -> None:
    contact = prepared(submission(text="Cafe\u0301\r\n\tja\rnee \u202ehcab\u202c"))
    assert contact.text == "Caf\u00e9\n\tja\nnee hcab"


def test_subject_of_two_lines_becomes_one() -> None:
    assert prepared(submission(subject=" Re: mijn\r\n\tpakket ")).subject == "Re: mijn pakket"


def test_hints_of_the_gateway_win() -> None:
    contact = prepared(
        submission(
            topic_hint="refund",
            queue_hint="vip",
            language_hint="FR-be",
            skills_hint=(("vip-care", 4), ("billing", 1)),
            priority=7,
        )
    )
    assert (contact.topic, contact.requirement.queue, contact.priority) == ("refund", "vip", 7)
    assert contact.language == "fr"
    assert dict(contact.requirement.skills) == {"vip-care": 4, "billing": 1, "payments": 2}


def test_priority_is_the_higher_of_topic_and_queue() -> None:
    assert prepared(submission(text="dit is schandalig, een klacht")).priority == 200
    assert prepared(submission(topic_hint="refund", queue_hint="vip")).priority == 250
    assert prepared().priority == 0


def test_language_nobody_can_tell_is_the_companys_own_and_says_so() -> None:
    short = prepared(submission(text="ok"))
    strange = prepared(submission(text="ok", language_hint="pt-BR"))
    assert (short.language, short.language_known) == ("nl", False)
    assert (strange.language, strange.language_known) == ("nl", False)


def test_topic_that_anybody_can_answer_asks_for_no_language() -> None:
    topics = {
        name: replace(topic, any_language=name == "late-delivery")
        for name, topic in config().topics.items()
    }
    contact = prepared(using=replace(config(), topics=topics))
    assert (contact.language, contact.requirement.language) == ("nl", "")


def test_shared_address_of_the_configuration_goes_to_a_fresh_story() -> None:
    kiosk = Given(Kind.PHONE, "020 123 4567", "NL")
    for listed in ("+31201234567", "020 123 4567"):
        channel = replace(config().channels["shop"], shared_aliases=(listed,))
        using = replace(config(), channels={"shop": channel})
        contact = prepared(submission(channel="shop", aliases=(kiosk,)), using=using)
        assert contact.divert
        assert contact.fresh != contact.customer


def test_ids_do_not_depend_on_the_configuration() -> None:
    other = replace(config(), languages=("fr",), topics={}, digest="f" * 64)
    one, two = prepared(), prepared(using=other)
    assert (one.customer, one.contact_id, one.fresh) == (two.customer, two.contact_id, two.fresh)


def test_promise_counts_only_while_the_channel_is_open() -> None:
    contact = prepared(submission(channel="email"))
    assert contact.promised_at == NOW + timedelta(hours=4.5)  # over the lunch break of its calendar
    assert "maandag 5 januari 14:30" in contact.acknowledgement


def test_channel_that_promises_nothing_says_nothing_of_when() -> None:
    channel = replace(config().channels["chat"], first_response_s=0)
    contact = prepared(using=replace(config(), channels={"chat": channel}))
    assert contact.promised_at is None
    assert contact.acknowledgement == acknowledgement("nl", NOW, None, config().calendar("office"))


@pytest.mark.parametrize(
    ("language", "soon", "later"),
    [
        ("nl", "binnen 5 minuten", "dinsdag 6 januari 11:00"),
        ("en", "within 5 minutes", "Tuesday 6 January, 11:00"),
        ("de", "innerhalb von 5 Minuten", "Dienstag, 6. Januar, 11:00 Uhr"),
        ("fr", "dans les 5 minutes", "mardi 6 janvier à 11:00"),
        ("xx", "within 5 minutes", "Tuesday 6 January, 11:00"),
    ],
)
def test_customer_is_told_in_their_language_when_to_expect_us(
    language: str, soon: str, later: str
) -> None:
    office = config().calendar("office")
    near = acknowledgement(language, NOW, NOW + timedelta(seconds=241), office)
    far = acknowledgement(language, NOW, NOW + timedelta(hours=25), office)
    assert soon in near
    assert later in far
    assert len(far.encode()) <= 1_024


@pytest.mark.parametrize(("more_us", "told"), [(0, "11:00"), (1, "11:01"), (37_000_000, "11:01")])
def test_customer_is_told_no_time_before_the_one_that_is_kept(more_us: int, told: str) -> None:
    at = NOW + timedelta(hours=25, microseconds=more_us)
    said = acknowledgement("en", NOW, at, config().calendar("office"))
    assert said.endswith(f"{told}."), "an answer in that minute keeps the promise"


def test_clock_of_a_channel_that_never_closes_is_named() -> None:
    told = acknowledgement("en", NOW, NOW + timedelta(hours=25), config().calendar("always"))
    assert told.endswith("10:00 (UTC).")
