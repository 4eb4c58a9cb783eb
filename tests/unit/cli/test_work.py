"""What an agent types is about the case they were at, or about none."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import get_args

import pytest

from toldonce.api.types.v1 import types_pb2
from toldonce.cli.desktop import HANDED, HELP, OVER
from toldonce.cli.happened import WORDS, happened
from toldonce.cli.work import Work
from toldonce.kernel.context import type_of
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.events import Event

LATER = datetime(2026, 1, 31, 14, 0, tzinfo=UTC)


@dataclass
class Session:
    """Stands for a session: which cases are ours, and what was sent about which."""

    cases: dict[str, SimpleNamespace] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[str, str, datetime | None, str]] = field(default_factory=list)
    went_on: list[tuple[str, str]] = field(default_factory=list)

    async def reply(self, case_id: str, text: str, *, awaits_customer: bool = False) -> str:
        self.sent.append((case_id, text))
        self.asked += [(case_id, "CUSTOMER", None, "")] if awaits_customer else []
        return "entry"

    async def wait_for(
        self, case_id: str, cause: str, *, until_at: datetime | None = None, reason: str = ""
    ) -> SimpleNamespace:
        self.asked.append((case_id, cause, until_at, reason))
        return SimpleNamespace(paused_until_at=until_at or LATER)

    async def go_on(self, case_id: str, cause: str) -> None:
        self.went_on.append((case_id, cause))

    async def close_case(self, case_id: str, outcome: str, **_: object) -> None:
        del self.cases[case_id]

    async def unread(self, case_id: str) -> tuple[()]:
        assert case_id in self.cases
        return ()


@dataclass
class Screen:
    said: list[str] = field(default_factory=list)

    def say(self, text: str = "") -> None:
        self.said.append(text)


def work(*cases: str) -> tuple[Work, Session, Screen]:
    shown = {
        name: SimpleNamespace(case_id=name, channel="chat", queue="orders", topic="")
        for name in cases
    }
    session, screen = Session(shown), Screen()
    return Work(session, screen, typed=True), session, screen  # type: ignore[arg-type]


async def test_reply_typed_as_a_case_goes_to_a_colleague_reaches_no_other_customer() -> None:
    desk, session, _ = work("joan", "mary")
    await desk.commands["r"]("Hello Joan")
    del session.cases["joan"]
    with pytest.raises(Invalid, match=r"not yours any more; you are at case …mary"):
        await desk.commands["r"]("Your parcel is found, Joan")
    assert session.sent == [("joan", "Hello Joan")]
    await desk.commands["r"]("Hello Mary")
    assert session.sent[1:] == [("mary", "Hello Mary")]


async def test_agent_who_closes_a_case_is_told_which_one_they_are_at_then() -> None:
    desk, _, screen = work("joan", "mary")
    await desk.commands["c"]("answered")
    await desk.commands["c"]("answered")
    assert screen.said == ["Closed.", "You are at case …mary (chat, orders, ?) now.", "Closed."]


async def test_agent_who_lost_the_only_case_is_told_that_they_own_none() -> None:
    desk, session, _ = work("joan")
    session.cases.clear()
    with pytest.raises(Invalid, match="you own no case"):
        await desk.commands["r"]("Hello Joan")


async def test_agent_who_asks_back_waits_for_the_customer_with_the_same_words() -> None:
    desk, session, screen = work("joan")
    await desk.commands["r"]("It is on its way.")
    await desk.commands["w"]("What is your street?")
    assert session.sent == [("joan", "It is on its way."), ("joan", "What is your street?")]
    assert session.asked == [("joan", "CUSTOMER", None, "")]
    assert "waits for the customer" in screen.said[-1]


async def test_agent_holds_a_case_for_a_reason_until_a_time_or_as_long_as_usual() -> None:
    desk, session, screen = work("joan")
    await desk.commands["hold"]("2026-01-31T14:00 supplier first")
    await desk.commands["hold"]("supplier")
    assert session.asked == [
        ("joan", "HOLD", LATER, "SUPPLIER_FIRST"),
        ("joan", "HOLD", None, "SUPPLIER"),
    ]
    assert screen.said == 2 * ["On hold, at most until 2026-01-31 14:00 UTC; `go` goes on."]


async def test_agent_who_does_not_say_what_a_case_waits_for_is_taught_how() -> None:
    desk, session, _ = work("joan")
    for words in ("", "2d", "2d  "):
        with pytest.raises(Invalid, match="hold 2d WHY"):
            await desk.commands["hold"](words.strip())
    assert session.asked == []


async def test_agent_goes_on_with_a_case_whatever_it_waited_for() -> None:
    desk, session, _ = work("joan")
    await desk.commands["go"]("")
    assert session.went_on == [("joan", "CUSTOMER"), ("joan", "HOLD")]


def test_agent_can_read_in_the_help_whatever_can_be_typed() -> None:
    desk, _, _ = work("joan")
    typed = {words.split()[0] for words in HELP.splitlines() if words.startswith("  ")}
    assert set(desk.commands) <= typed


def test_agent_hears_what_time_did_to_a_case_in_words() -> None:
    assert happened(()) == "changed"
    assert happened(("SlaBreached", "PriorityRaised")) == "a clock ran out, it counts for more"
    assert happened(("CommitmentWithdrawn",)) == "a promise is not waited for any more"
    assert happened(("SlaWarned", "NewerThanThis")) == "a clock runs out soon, newer than this"


def test_every_event_there_is_has_words_that_are_not_its_name() -> None:
    kinds = {kind.__name__: type_of(object.__new__(kind)) for kind in get_args(Event.__value__)}
    assert set(WORDS) == set(kinds.values())
    for name, timeline_name in kinds.items():
        assert happened((name,)) == WORDS[timeline_name]
        assert happened((name,)) != timeline_name.replace("_", " ")


def test_every_end_of_an_offer_and_of_a_handoff_has_words() -> None:
    for words, ends in ((OVER, types_pb2.OfferEndReason), (HANDED, types_pb2.HandoffOutcome)):
        prefix = "OFFER_END_REASON_|HANDOFF_OUTCOME_"
        names = {re.sub(prefix, "", name) for name, _ in ends.items()}
        assert set(words) == names - {"UNSPECIFIED"}
