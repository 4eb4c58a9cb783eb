"""Who is at risk, for people and machines: a table by time left, or a line of JSON a change."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from toldonce.cli.accounts import length
from toldonce.cli.options import STDOUT
from toldonce.cli.output import Out
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from rich.text import Text

    from toldonce.client import Client
    from toldonce.client.risk import RiskNews, RiskSeen

REFRESH_S = 1.0
WITHIN_MAX_S = 86_400
_WITHIN = re.compile(r"(\d{1,6})\s*(s|m|min|h)?")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, None: 1}
_HEAD_LINES = 4
_COLUMNS = ("left", "clock", "state", "queue", "owner", "priority", "expected", "case")
_RIGHT = frozenset({"left", "priority"})
_GAP = 2


def seconds(within: str) -> int:
    """Read `15m`, `90s`, `2h` or plain seconds; raises Invalid."""
    hit = _WITHIN.fullmatch(within.strip().lower())
    found = int(hit[1]) * _UNITS[hit[2]] if hit else 0
    if not 1 <= found <= WITHIN_MAX_S:
        raise Invalid("--within", f"{within!r} is no time of 1 s to 24 h such as 15m, 90s or 2h")
    return found


class Board:
    """What is known of who is at risk, and what time it is where that was read.

    `listed`: all was told once. `beyond`: so many more there were, which are not told.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.cases: dict[str, RiskSeen] = {}
        self.listed = False
        self.beyond = 0
        self._ahead = timedelta()

    @property
    def now(self) -> datetime:
        """The time by the server's clock, so that a wrong one here shows no wrong time left."""
        return datetime.now(UTC) + self._ahead

    def take(self, news: "RiskNews") -> None:
        """Take in what was told."""
        from toldonce.client.risk import RiskAnew, RiskGone, RiskListed, RiskSeen

        match news:
            case RiskAnew():
                self.cases.clear()
                self.listed, self.beyond = False, 0
            case RiskGone(case_id):
                self.cases.pop(case_id, None)
            case RiskListed(cases):
                self.listed, self.beyond = True, max(cases - len(self.cases), 0)
            case RiskSeen():
                self.cases[news.case.case_id] = news
                if news.read_at is not None:
                    self._ahead = news.read_at - datetime.now(UTC)

    def rows(self) -> "list[RiskSeen]":
        """Give the cases, the least time left first."""
        return sorted(self.cases.values(), key=lambda one: _left_s(one, self.now))

    def figures(self) -> dict[str, Any]:
        """Tell it to machines."""
        cases = [seen_figures(one, self.now) for one in self.rows()]
        return {"at_risk": len(cases) + self.beyond, "cases": cases}


def seen_figures(one: "RiskSeen", now: datetime) -> dict[str, Any]:
    """Tell a case to machines: `left_s` is the time on the wall until it is due, < 0 overdue."""
    told = one.predicted
    return {
        "case": one.case.case_id,
        "clock": one.kind,
        "state": one.state,
        "due_at": one.due_at and one.due_at.isoformat(),
        "left_s": round(_left_s(one, now), 1),
        "queue": one.case.queue,
        "channel": one.case.channel,
        "priority": one.case.priority,
        "owner": one.case.owner,
        "commitment": one.commitment_id,
        "predicted": None
        if told is None
        else {
            "clock": told.kind,
            "due_at": told.due_at and told.due_at.isoformat(),
            "expected_at": told.expected_at and told.expected_at.isoformat(),
            "position": told.position,
            "source": told.source,
        },
    }


def news_figures(news: "RiskNews", now: datetime) -> dict[str, Any]:
    """Tell a change to machines."""
    from toldonce.client.risk import RiskAnew, RiskGone, RiskListed, RiskSeen

    match news:
        case RiskSeen():
            return {"change": "at_risk", **seen_figures(news, now)}
        case RiskGone(case_id, queue):
            return {"change": "gone", "case": case_id, "queue": queue}
        case RiskListed(cases, behind):
            return {"change": "listed", "at_risk": cases, "behind": behind}
        case RiskAnew():
            return {"change": "anew"}


def table(board: Board, width: int, lines_max: int | None = None) -> "Text":
    """Show the cases, the least time left first, in so many columns (and lines, if that is said).

    An id is never cut: where a line has no room for it, it stands on one of its own.
    """
    from rich.text import Text

    now = board.now
    rows = [(*_cells(one, now), one.case.case_id) for one in board.rows()]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    roomy = sum(widths) + _GAP * (len(widths) - 1) <= width
    rows_max = None if lines_max is None else max(lines_max // (1 if roomy else 2), 1)
    shown = Text(no_wrap=True, overflow="fold")
    shown.append(_line(_COLUMNS, widths, roomy=roomy) + "\n", style="bold")
    for one, cells in list(zip(board.rows(), rows, strict=True))[:rows_max]:
        style = "red" if _left_s(one, now) < 0 else "yellow" if one.predicted else ""
        shown.append(_line(cells, widths, roomy=roomy) + "\n", style=style)
    return shown.append(_caption(board, rows_max), style="dim italic")


def _cells(one: "RiskSeen", now: datetime) -> tuple[str, ...]:
    priority, queue = str(one.case.priority), one.case.queue or "-"
    owner, expected = one.case.owner or "-", _expected(one, now)
    return (left(_left_s(one, now)), one.kind, one.state, queue, owner, priority, expected)


def _line(cells: Sequence[str], widths: Sequence[int], *, roomy: bool) -> str:
    titled = zip(_COLUMNS, cells, widths, strict=True)
    padded = [
        cell.rjust(width) if title in _RIGHT else cell.ljust(width) for title, cell, width in titled
    ]
    if roomy:
        return (" " * _GAP).join(padded).rstrip()
    *facts, case = padded
    indent = " " * (widths[0] + _GAP)
    return f"{(' ' * _GAP).join(facts).rstrip()}\n{indent}{case.rstrip()}"


def left(left_s: float) -> str:
    """Write the time left: `4 min 10 s`, `-30 s` for what is overdue."""
    return length(left_s)


def change(news: "RiskNews", now: datetime) -> str:
    """Say a change in a line."""
    from toldonce.client.risk import RiskAnew, RiskGone, RiskListed, RiskSeen

    match news:
        case RiskSeen():
            expected = _expected(news, now)
            says = f", an agent is expected in {expected}" if expected != "-" else ""
            left_s = _left_s(news, now)
            how = f"{left(left_s)} left" if left_s >= 0 else f"overdue by {left(-left_s)}"
            return f"{news.case.case_id}  {news.kind} {news.state}, {how}{says}"
        case RiskGone(case_id):
            return f"{case_id}  no longer at risk"
        case RiskListed(cases):
            return f"{cases} at risk"
        case RiskAnew():
            return "watching"


async def once(client: "Client", board: Board, within_s: int, queue: str) -> None:
    """Read who is at risk now."""
    from toldonce.client.risk import RiskListed, watch_risk

    async with aclosing(watch_risk(client, within_s=within_s, queue=queue)) as stream:
        async for news in stream:
            board.take(news)
            if isinstance(news, RiskListed):
                return


async def follow(client: "Client", board: Board, out: Out, within_s: int, queue: str) -> None:
    """Show who is at risk for ever: live on a terminal, else a line a change."""
    from toldonce.client.risk import watch_risk

    live = out.console.is_terminal and out.target != STDOUT
    with _lines(out) as write, _live(board, out) if live else nullcontext(None) as refresh:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(_tick(refresh)) if refresh else None
            async with aclosing(watch_risk(client, within_s=within_s, queue=queue)) as stream:
                async for news in stream:
                    board.take(news)
                    if write is not None:
                        write(json.dumps(news_figures(news, board.now), ensure_ascii=False))
                    elif refresh is None:
                        out.say(change(news, board.now))
            if ticking is not None:
                ticking.cancel()


async def _tick(refresh: Callable[[], None]) -> None:
    while True:
        refresh()
        await asyncio.sleep(REFRESH_S)


@contextmanager
def _live(board: Board, out: Out) -> Iterator[Callable[[], None]]:
    from rich.live import Live

    console = out.console

    def draw() -> None:
        lines_max = max(console.height - _HEAD_LINES, 1)
        shown.update(table(board, console.width, lines_max), refresh=True)

    with Live(console=console, auto_refresh=False, screen=False) as shown:
        yield draw


@contextmanager
def _lines(out: Out) -> Iterator[Callable[[str], None] | None]:
    """Give what writes a line of JSON, if that was asked for; raises Invalid where it cannot."""
    if not out.target or out.target == STDOUT:
        yield typer.echo if out.target else None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(out.target).open("w", encoding="utf-8"))
        except OSError as error:
            raise Invalid("--json", f"cannot write {out.target}: {error.strerror}") from None
        yield lambda line: print(line, file=file, flush=True)


def _left_s(one: "RiskSeen", now: datetime) -> float:
    return 0.0 if one.due_at is None else (one.due_at - now).total_seconds()


def _expected(one: "RiskSeen", now: datetime) -> str:
    told = one.predicted
    if told is None or told.expected_at is None:
        return "-"
    return left(max((told.expected_at - now).total_seconds(), 0.0))


def _caption(board: Board, rows_max: int | None) -> str:
    count = len(board.cases)
    if not count:
        return "Nothing is at risk." if board.listed else "reading ..."
    hidden = count - min(count, rows_max or count)
    said = f"{count + board.beyond} at risk"
    return f"{said}, {hidden + board.beyond} not shown" if hidden + board.beyond else said
