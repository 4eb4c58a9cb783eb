"""A person reads a story: who it is about, what happened, and what is missing and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.client.desktop import CASE, CUSTOMER, case_view
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.case import _figures, _show
from toldonce.cli.output import Out
from toldonce.cli.story import call_at, card_lines, line, lines, missing, standing, topic
from toldonce.client.card import Card, EarlierCase, Promise
from toldonce.client.context import ContextRead, Envelope, HandoffTold
from toldonce.client.places import PlaceSeen, WaitSeen
from toldonce.client.seen import case_seen
from toldonce.kernel.context import Item, type_of
from toldonce.kernel.story.events import Event, Fenced

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PLACE = PlaceSeen(3, WaitSeen(80.0, 20.0, 190.0), "")
AT_US = int(AT.timestamp()) * 10**6
DUE = "due 2026-01-05 09:00 UTC"
WIDE = "it asks as little as after all steps now"
TOLD, CALLED = "those who are to know are told", "a supervisor is called"
CARD = Card(
    aliases=(("EMAIL", "joan@example.org"), ("PHONE", "+31201234567")),
    name="Joan",
    language="nl",
    preferred_channel="chat",
    preferred_agent="anna",
    earlier_cases=(EarlierCase(CASE, "parcel", "mail", "orders", "anna", "refunded", AT, AT),),
    bad_experiences=1,
    promises=(Promise(CASE, CASE, "anna", AT, AT, "Morgen bij u."),),
    incident="parcels-lost",
    contacts_total=3,
    handoffs_total=2,
)


def item(type_: str = "contact_received", text: str = "", *, days: int = 0, **facts: str) -> Item:
    return Item(
        sequence=1 + days,
        index=0,
        event_id="e" * 26,
        at_us=AT_US + days * 86_400 * 10**6,
        type=type_,
        case=CASE[26:],
        channel="chat",
        actor="gateway:web",
        text=text,
        attributes=tuple(sorted(facts.items())),
    )


def read(*items: Item, card: Card = CARD, **more: Any) -> ContextRead:
    return ContextRead(CUSTOMER, 7, case_seen(case_view()), items, more.pop("handoffs", ()), card)


def test_person_reads_who_the_customer_is_and_what_is_promised() -> None:
    told = "\n".join(card_lines(CARD))
    for part in (
        "Joan; language nl",
        "email joan@example.org, phone +31201234567",
        "3 contacts, 2 handoffs, 1 bad experience",
        "channel chat, agent anna",
        "parcels-lost",
        "“Morgen bij u.” by 2026-01-05 09:00 UTC, says anna",
        f"2026-01-05 parcel (mail, queue orders): refunded by anna, case {CASE}",
    ):
        assert part in told


def test_person_reads_why_a_name_or_an_address_is_missing() -> None:
    never = "\n".join(card_lines(Card()))
    assert "whose name was never given; language unknown" in never
    assert "no address, none came with a contact" in never
    gone = "\n".join(
        card_lines(Card(forgotten=True, promises=(replace(CARD.promises[0], text=""),)))
    )
    assert "whose name was forgotten" in gone
    assert "no address, forgotten" in gone
    assert "(the words were forgotten)" in gone


def test_person_is_told_what_is_missing_and_why() -> None:
    whole = read(item(text="Waar?"))
    assert list(missing(whole)) == []
    bare = HandoffTold(CASE, CASE, 1, "anna", "queue vip", AT, "ACCEPTED", Envelope("", ""))
    without = read(item(forgotten="true"), card=Card(), handoffs=(bare,))
    assert len(list(missing(without))) == 2
    assert "1 entry without words: forgotten" in next(iter(missing(without)))
    assert "without an envelope" in next(iter(missing(read(item(), handoffs=(bare,)))))


def test_person_reads_the_story_day_by_day_when_it_has_several() -> None:
    assert not any("(UTC)" in said for said in lines(read(item(text="een"), item(text="twee"))))
    told = list(lines(read(item(text="een"), item(text="twee", days=1))))
    assert [said for said in told if "(UTC)" in said] == ["2026-01-05 (UTC)", "2026-01-06 (UTC)"]


def test_person_reads_files_envelopes_and_promises_where_they_happened() -> None:
    said = Envelope("needs a senior", "parcel lost", mood="angry")
    handoff = HandoffTold(CASE, CASE, 1, "anna", "queue vip", AT, "ACCEPTED", said, warm=True)
    file = f"s3://a/b image/png 5 {'0f' * 32}"
    begun = item("handoff_begun", handoff=CASE[26:], target_kind="QUEUE", target="vip", warm="true")
    told = "\n".join(
        lines(
            read(
                item("entry_appended", "Kijk", kind="ATTACHMENT", reference_0=file),
                begun,
                item("commitment_made", "Morgen bij u.", agent="anna", due_at=str(AT_US)),
                handoffs=(handoff,),
            )
        )
    )
    assert f"file: s3://a/b (image/png, 5 bytes, sha256 {'0f' * 32})" in told
    assert "handed over warm to queue vip" in told
    assert "why: needs a senior" in told
    assert "mood: angry" in told
    assert "anna promised by 2026-01-05 09:00 UTC: “Morgen bij u.”" in told


@pytest.mark.parametrize(
    ("kind", "facts", "said"),
    [
        (
            "rung_climbed",
            {"rung": "2", "policy": "p", "clock": "RESOLUTION", "widened": "true"},
            f"rung 2 of policy p for clock RESOLUTION, {DUE}; {WIDE}",
        ),
        (
            "rung_climbed",
            {
                "rung": "1",
                "policy": "p",
                "clock": "QUEUE_WAIT",
                "notified": "true",
                "paged": "true",
            },
            f"rung 1 of policy p for clock QUEUE_WAIT, {DUE}; {TOLD}; {CALLED}",
        ),
        (
            "case_paused",
            {"cause": "CUSTOMER"},
            "waits for the customer, at most until 2026-01-05 10:00 UTC",
        ),
        (
            "case_paused",
            {"cause": "HOLD", "reason": "SUPPLIER"},
            "is on hold: SUPPLIER, at most until 2026-01-05 10:00 UTC",
        ),
        ("case_resumed", {"cause": "CUSTOMER"}, "waits for the customer no more"),
        ("case_resumed", {"cause": "HOLD", "reason": "CAME"}, "is on hold no more: CAME"),
        ("commitment_made", {}, "the acknowledgement promised an answer by 2026-01-05 09:00 UTC"),
        ("commitment_made", {"agent": "anna"}, "anna promised by 2026-01-05 09:00 UTC"),
        ("commitment_kept", {"agent": "anna"}, "anna kept a promise"),
        ("commitment_kept", {}, "a promise was kept"),
        (
            "commitment_withdrawn",
            {"reason": "CALLBACK"},
            "a promise is not waited for any more: CALLBACK",
        ),
        (
            "sla_warned",
            {"clock": "COMMITMENT", "commitment": "c" * 26},
            "a promise runs out at 2026-01-05 09:00 UTC",
        ),
        (
            "sla_warned",
            {"clock": "NEXT_RESPONSE"},
            "clock NEXT_RESPONSE runs out at 2026-01-05 09:00 UTC",
        ),
    ],
)
def test_person_reads_what_time_did_in_words(kind: str, facts: dict[str, str], said: str) -> None:
    hour_us = 3_600 * 10**6
    told = line(item(kind, due_at=str(AT_US), until_at=str(AT_US + hour_us), **facts))
    assert told == f"09:00:00  gateway:web [chat]  {said}"


def test_person_reads_that_nobody_but_the_acknowledgement_promised() -> None:
    by_nobody = replace(CARD, promises=(Promise(CASE, CASE, "", AT, AT, ""),))
    told = "\n".join(card_lines(by_nobody))
    assert "promised: an answer by 2026-01-05 09:00 UTC, says the acknowledgement" in told


def test_person_reads_what_a_case_waits_for_until_when_and_for_whom() -> None:
    until_at = AT + timedelta(days=2)
    plain = case_seen(case_view())
    assert list(standing(plain, AT)) == []
    held = replace(plain, tier="gold", paused_for="HOLD", paused_until_at=until_at)
    assert list(standing(held, AT)) == [
        "customer tier gold",
        "is on hold, at most until 2026-01-07 09:00 UTC",
    ]
    assert list(standing(held, until_at)) == ["customer tier gold"]
    asked = replace(
        plain, state="PENDING_CUSTOMER", paused_for="CUSTOMER", paused_until_at=until_at
    )
    assert list(standing(asked, AT)) == [
        "waits for the customer, at most until 2026-01-07 09:00 UTC"
    ]
    assert list(standing(asked, until_at)) == [
        "has waited for the customer as long as was said; its clocks go on"
    ]


def test_page_of_a_case_says_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    until_at = Timestamp()
    until_at.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    view = case_view(
        customer_tier="gold",
        paused_for=types_pb2.PAUSE_CAUSE_CUSTOMER,
        paused_until_at=until_at,
        state=types_pb2.CASE_STATE_PENDING_CUSTOMER,
    )
    clock = view.clocks.add(kind=types_pb2.CLOCK_KIND_RESOLUTION, state="CLOCK_STATE_RUNNING")
    clock.due_at.FromDatetime(AT + timedelta(seconds=5, microseconds=7))
    whole = replace(read(item(text="Waar?")), case=case_seen(view))
    _show(Out(), whole, [], PLACE, everything=False)
    shown = capsys.readouterr().out
    assert "clock RESOLUTION: RUNNING, due 2026-01-05 09:00:05 UTC\n" in shown
    assert "customer tier gold" in shown
    assert "waits for the customer, at most until" in shown


@pytest.mark.parametrize("kind", [one for one in get_args(Event.__value__) if one is not Fenced])
def test_person_can_read_every_event_there_is_even_without_its_facts(kind: type) -> None:
    name = type_of(object.__new__(kind))
    told = line(item(name, forgotten="true"))
    assert told.startswith("09:00:00  gateway:web [chat]  ")
    assert len(told) > len("09:00:00  gateway:web [chat]  ")


def test_person_and_machine_are_shown_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    whole = read(item(text="Waar is mijn pakket?"))
    _show(Out(), whole, [], PLACE, everything=False)
    shown = capsys.readouterr().out
    for part in ("Joan; language nl", f"case {CASE}", "Waar is mijn pakket?", "no decision"):
        assert part in shown
    assert "number 3 in line, may wait 1 min more (eight in ten: 20 s to 3 min)" in shown
    figures = _figures(whole, [], PLACE)
    assert figures["card"]["name"] == "Joan"
    assert figures["card"]["promises"][0]["text"] == "Morgen bij u."
    assert figures["timeline"][0]["text"] == "Waar is mijn pakket?"
    assert figures["missing"] == []
    assert figures["place"]["position"] == 3
    assert figures["place"]["wait"]["high_s"] == 190.0
    assert figures["context_hash"] == whole.hash.hex()


def test_person_reads_that_somebody_is_to_be_called_back_where_and_when() -> None:
    at = str(AT_US + 3_600 * 10**6)
    plain = item("callback_requested")
    dated = item("callback_requested", callback_to="PHONE:+31201234567", not_before_at=at)
    assert "to be called back, in its turn" in line(plain)
    assert "to be called back at PHONE:+31201234567, from 2026-01-05 10:00 UTC on" in line(dated)
    put_off = item("case_scheduled", not_before_at=at, reason="PAYS_LATER")
    assert "waits from 2026-01-05 10:00 UTC on: PAYS_LATER" in line(put_off)


def test_caller_is_called_where_they_asked_else_where_they_came_from() -> None:
    came = item("contact_received", alias_0="EMAIL:joan@example.org")
    asked = item("callback_requested", callback_to="PHONE:+31201234567")
    assert call_at(read(came, item("callback_requested"))) == "email joan@example.org"
    assert call_at(read(came, asked, came)) == "phone +31201234567"
    assert call_at(read()) == ""


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"topic_by": "WORDS"}, "parcel (by its words)"),
        ({"topic_by": "GATEWAY"}, "parcel (by its gateway)"),
        ({"topic_by": "MODEL", "topic_sure_pct": "83"}, "parcel (by the model, 83 % sure)"),
        ({}, "parcel"),
    ],
)
def test_person_reads_who_said_what_a_case_is_about(facts: dict[str, str], said: str) -> None:
    def told(*items: Item) -> str:
        story = read(item(topic="refund", topic_by="MODEL", topic_sure_pct="60"), *items)
        return topic(replace(story, case=replace(story.case, topic="parcel")))

    assert told(item(topic="parcel", **facts)) == said
    assert told() == "parcel"
    assert topic(read()) == "unknown"
