"""What `toldonce sla at-risk` shows: the least time left first, by the server's clock."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.risk import Board, change, news_figures, seconds, table
from toldonce.client.risk import BreachSeen, RiskAnew, RiskGone, RiskListed, RiskSeen, news_of
from toldonce.kernel.errors import Invalid
from toldonce.runtime.case_views import stamp

NOW = datetime(2026, 6, 5, 9, 0, tzinfo=UTC)


def seen(case_id: str, left_s: float, *, read_at: datetime = NOW) -> RiskSeen:
    told = sla_pb2.WatchAtRiskResponse(
        case=types_pb2.CaseView(case_id=case_id, queue="orders", priority=100),
        clock=types_pb2.SlaClock(
            kind=types_pb2.CLOCK_KIND_QUEUE_WAIT,
            state=types_pb2.CLOCK_STATE_RUNNING,
            due_at=stamp(read_at + timedelta(seconds=left_s)),
        ),
        read_at=stamp(read_at),
    )
    news = news_of(told)
    assert isinstance(news, RiskSeen)
    return news


def foreseen(case_id: str, left_s: float, wait_s: float) -> RiskSeen:
    one = seen(case_id, left_s)
    expected_at = NOW + timedelta(seconds=wait_s)
    breach = BreachSeen("QUEUE_WAIT", one.due_at, expected_at, 3, "LINE")
    return replace(one, predicted=breach)


def drawn(board: Board, lines_max: int | None = None, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(board, width, lines_max))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [("15m", 900), ("90s", 90), ("2h", 7_200), ("45", 45), ("5 min", 300), ("24h", 86_400)],
)
def test_a_time_is_typed_as_people_say_it(typed: str, wanted: int) -> None:
    assert seconds(typed) == wanted


@pytest.mark.parametrize("typed", ["", "soon", "0", "-5m", "1d", "25h", "1.5h", "99999999"])
def test_a_time_that_cannot_be_meant_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="15m, 90s or 2h"):
        seconds(typed)


def test_the_least_time_left_comes_first_and_what_is_gone_leaves() -> None:
    board = Board()
    assert "reading" in drawn(board)
    for news in (RiskAnew(), seen("late", -30), seen("far", 600), seen("near", 250)):
        board.take(news)
    board.take(RiskListed(3, behind=False))
    assert [one.case.case_id for one in board.rows()] == ["late", "near", "far"]
    shown = drawn(board)
    assert "-30 s" in shown
    assert "4 min 10 s" in shown
    assert "3 at risk" in shown
    board.take(RiskGone("late", "orders"))
    assert [one.case.case_id for one in board.rows()] == ["near", "far"]
    board.take(RiskAnew())
    board.take(RiskListed(0, behind=False))
    assert "Nothing is at risk." in drawn(board)


def test_what_has_no_room_is_counted() -> None:
    board = Board()
    for number in range(5):
        board.take(seen(f"case{number}", number))
    board.take(RiskListed(25, behind=False))
    assert "25 at risk, 22 not shown" in drawn(board, 3)
    assert board.figures()["at_risk"] == 25


def test_nothing_is_cut_on_a_narrow_terminal() -> None:
    board, case_id = Board(), "3gwjyncg7c8t7f1rgx0zddywe81z7s07hsnjhp97t3ma74ya2a7v"
    for news in (seen(case_id, -754), seen(case_id[::-1], 8), RiskListed(2, behind=False)):
        board.take(news)
    lines = drawn(board, width=80).splitlines()
    assert " ".join(lines[2].split()) == "-12 min 34 s QUEUE_WAIT RUNNING orders - 100 -"
    assert lines[3].split() == [case_id]
    assert max(map(len, lines)) <= 80
    assert "2 at risk, 1 not shown" in drawn(board, lines_max=3, width=80)
    wide = drawn(board).splitlines()[1]
    assert wide.startswith(lines[2].rstrip())
    assert wide.endswith(case_id)


def test_time_left_is_by_the_clock_of_who_tells_it() -> None:
    board = Board()
    theirs = datetime.now(UTC) + timedelta(hours=3)
    board.take(seen("one", 100, read_at=theirs))
    (figures,) = board.figures()["cases"]
    assert 95 < figures["left_s"] <= 100


def test_machines_read_a_prediction_in_one_line() -> None:
    said = json.loads(json.dumps(news_figures(foreseen("one", 600, 900), NOW)))
    assert (said["change"], said["case"], said["left_s"]) == ("at_risk", "one", 600)
    assert said["predicted"] == {
        "clock": "QUEUE_WAIT",
        "due_at": "2026-06-05T09:10:00+00:00",
        "expected_at": "2026-06-05T09:15:00+00:00",
        "position": 3,
        "source": "LINE",
    }
    gone = news_figures(RiskGone("one", "orders"), NOW)
    assert gone == {"change": "gone", "case": "one", "queue": "orders"}
    assert news_figures(RiskListed(7, behind=True), NOW) == {
        "change": "listed",
        "at_risk": 7,
        "behind": True,
    }


def test_people_read_a_change_in_a_sentence() -> None:
    said = change(foreseen("one", 600, 900), NOW)
    assert said == "one  QUEUE_WAIT RUNNING, 10 min left, an agent is expected in 15 min"
    assert change(seen("one", -30), NOW) == "one  QUEUE_WAIT RUNNING, overdue by 30 s"
    assert change(RiskGone("one", "orders"), NOW) == "one  no longer at risk"
