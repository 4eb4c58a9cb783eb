"""What is typed at the desktop means one thing, or the error says how to type it."""

from datetime import UTC, datetime, timedelta

import pytest

from toldonce.cli import phrases
from toldonce.client.context import Envelope
from toldonce.kernel.errors import Invalid

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def test_a_handoff_is_typed_with_as_many_parts_as_there_are() -> None:
    asked = phrases.handing("queue:returns Her money back / A chair, 12/2025 / / a call / / sad")
    assert (asked.kind, asked.name, asked.warm, asked.override) == ("queue", "returns", False, "")
    assert asked.envelope == Envelope("Her money back", "A chair, 12/2025", "", "a call", "", "sad")


def test_a_handoff_of_one_part_is_its_own_matter() -> None:
    assert phrases.handing("agent:tess not mine").envelope == Envelope("not mine", "not mine")


def test_a_handoff_can_be_warm_and_go_back_for_a_reason() -> None:
    for words in ("warm because:only-she-can tier:2 x", "because:only-she-can warm tier:2 x"):
        asked = phrases.handing(words)
        assert (asked.warm, asked.override, asked.name) == (True, "ONLY_SHE_CAN", "2")


@pytest.mark.parametrize(
    "words", ["", "returns x", "team:returns x", "queue: x", "warm", "because:"]
)
def test_a_handoff_to_nobody_teaches_how_to_name_them(words: str) -> None:
    with pytest.raises(Invalid, match="h queue:NAME WHY"):
        phrases.handing(words)


def test_a_seventh_part_is_refused() -> None:
    with pytest.raises(Invalid, match="at most 6"):
        phrases.envelope("a / b / c / d / e / f / g")


@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("30m", NOW + timedelta(minutes=30)),
        ("3d", NOW + timedelta(days=3)),
        ("2026-01-31T14:00", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2026-01-31T14:00+02:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_promise_is_due_after_a_while_or_at_an_instant(word: str, at: datetime) -> None:
    assert phrases.due(word, NOW) == at


@pytest.mark.parametrize("word", ["", "soon", "2w", "-1h"])
def test_a_promise_without_a_time_teaches_how_to_say_it(word: str) -> None:
    with pytest.raises(Invalid, match="p 2h WHAT"):
        phrases.due(word, NOW)


def test_what_was_not_asked_at_the_close_is_not_answered() -> None:
    assert phrases.closing("solved") == ("solved", {})
    assert phrases.closing("") == ("", {})
    both = {"re_told": False, "resolved_first_owner": True}
    assert phrases.closing("solved retold:no first:yes") == ("solved", both)
    for words in ("solved retold", "solved first:maybe"):
        with pytest.raises(Invalid, match="retold:yes"):
            phrases.closing(words)


def test_numbers_are_those_of_the_list() -> None:
    assert phrases.numbers("1, 3", 3) == [0, 2]
    for words, count in (("4", 3), ("0", 3), ("", 3), ("1", 0)):
        with pytest.raises(Invalid, match="`l`"):
            phrases.numbers(words, count)


def test_a_time_that_cannot_be_read_teaches_the_command_it_was_for() -> None:
    with pytest.raises(Invalid, match="--at 2h"):
        phrases.due("soon", NOW, "--at 2h")


@pytest.mark.parametrize(
    ("words", "until_s", "why"),
    [
        ("2h supplier", 7_200, "SUPPLIER"),
        ("30m other department", 1_800, "OTHER_DEPARTMENT"),
        ("supplier", None, "SUPPLIER"),
        ("the carrier first", None, "THE_CARRIER_FIRST"),
    ],
)
def test_a_hold_has_a_reason_and_may_have_a_time(words: str, until_s: int | None, why: str) -> None:
    until_at = None if until_s is None else NOW + timedelta(seconds=until_s)
    assert phrases.holding(words, NOW) == (until_at, why)


@pytest.mark.parametrize("words", ["", "2h", "2x supplier", "-5m supplier", "...", "3d ..."])
def test_a_hold_without_a_reason_teaches_how_to_say_it(words: str) -> None:
    with pytest.raises(Invalid, match="hold 2d WHY"):
        phrases.holding(words, NOW)
