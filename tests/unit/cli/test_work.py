"""What an agent types is about the case they were at, or about none."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from toldonce.cli.work import Work
from toldonce.kernel.errors import Invalid


@dataclass
class Session:
    """Stands for a session: which cases are ours, and what was sent about which."""

    cases: dict[str, SimpleNamespace] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)

    async def reply(self, case_id: str, text: str) -> str:
        self.sent.append((case_id, text))
        return "entry"

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
