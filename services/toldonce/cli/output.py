"""What a command says: to people on stdout, or one JSON object with the rest on stderr.

Errors are sentences that say what to do, on stderr, and an exit code: 1 when something failed, 2
for wrong use. A traceback is never shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from toldonce.cli.options import STDOUT
from toldonce.kernel.errors import Denied, Invalid, Refusal, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
WRONG_USE = 2
PROBLEMS_SHOWN_MAX = 20
_NOBODY_THERE = ("failed to connect", "Connection refused", "Socket closed")


@dataclass(frozen=True, slots=True)
class Out:
    """Where a command writes. `target` is "" for people, `-` for JSON on stdout, or a file."""

    target: str = ""

    @property
    def console(self) -> "Console":
        """Give the console for people: stdout unless the JSON goes there."""
        from rich.console import Console

        console = Console(stderr=self.target == STDOUT, highlight=False)
        if not console.is_terminal:
            console.width = max(console.width, 100)
        return console

    def say(self, text: str = "") -> None:
        """Write a line for people."""
        typer.echo(text, err=self.target == STDOUT)

    def emit(self, figures: Mapping[str, Any]) -> None:
        """Write the JSON object, if one was asked for; raises Invalid for a file that cannot be."""
        if not self.target:
            return
        text = json.dumps(figures, indent=2, ensure_ascii=False, default=str)
        if self.target == STDOUT:
            typer.echo(text)
            return
        try:
            Path(self.target).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise Invalid("--json", f"cannot write {self.target}: {error.strerror}") from None


def complain(text: str) -> None:
    """Write a sentence to stderr."""
    typer.echo(text, err=True)


def explain(no: BaseException) -> tuple[str, int]:
    """Say a refusal in sentences that tell what to do, and the exit code that goes with it."""
    while isinstance(no, BaseExceptionGroup):
        no = no.exceptions[0]
    match no:
        case Invalid(problems=problems):
            shown = [f"{p.field}: {p.sentence}" if p.field else p.sentence for p in problems]
            if len(shown) > PROBLEMS_SHOWN_MAX:
                left = len(shown) - PROBLEMS_SHOWN_MAX
                shown = [*shown[:PROBLEMS_SHOWN_MAX], f"and {left} more"]
            return "\n".join(shown), WRONG_USE
        case Unavailable() if any(sign in str(no) for sign in _NOBODY_THERE):
            sentence = (
                "Nobody answers there: is `toldonce up` running? Start it in another terminal, or "
                "name its address with --address (or its folder with --data)."
            )
            return sentence, FAILED
        case Unauthenticated():
            return f"Who are you? {no}. Give --token, or --as ROLE:NAME with --data.", FAILED
        case Denied():
            return f"Not allowed: {no}. Be somebody else with --as ROLE:NAME.", FAILED
        case Refusal():
            return str(no), FAILED
        case TimeoutError() if not no.strerror:  # of asyncio: it has no words of its own
            sentence = f"It took longer than it may (at {_place(no)}); is this machine very busy?"
            return sentence, FAILED
        case OSError():
            return f"{no.strerror or no}: {no.filename or ''}".rstrip(": "), FAILED
        case _:
            place = _place(no)
            return f"This is a fault of ours ({type(no).__name__} at {place}); tell us.", FAILED


def ago(at: datetime | None, now: datetime | None = None) -> str:
    """Write how long ago an instant was: `12 s`, `3 min`, `2 h`."""
    if at is None:
        return "-"
    return lasting(((now or datetime.now(UTC)) - at).total_seconds())


def lasting(seconds: float) -> str:
    """Write a length of time: `12 s`, `3 min`, `2 h`."""
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def band(low_s: float, high_s: float) -> str:
    """Write between what a wait lies: `20 s to 3 min`, `2 to 5 min`."""
    low, high = lasting(low_s), lasting(high_s)
    if low == high:
        return low
    number, unit = low.split(" ")
    return f"{number if high.endswith(f' {unit}') else low} to {high}"


def _place(fault: BaseException) -> str:
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
