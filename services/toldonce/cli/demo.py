"""`toldonce demo`: a day at a shop, over real gRPC, with a real log and a real store."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toldonce.cli.options import JsonOption
from toldonce.cli.output import FAILED, Out

if TYPE_CHECKING:
    from toldonce.cli.company.director import Stage

CONTACTS_MAX = 100_000
SHOW_EVERY_S = 5.0


def demo(
    *,
    contacts: Annotated[
        int, typer.Option("--contacts", min=1, max=CONTACTS_MAX, help="How many contacts come.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another day.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Keep the data here; else it is gone afterwards."),
    ] = None,
    json: JsonOption = "",
) -> None:
    """Show contacts of five channels reach the right agents exactly once.

    Forty simulated agents and a day's customers, over real connections; afterwards the log is read
    and every promise held against it. The exit code is 1 when one was broken.

    Example: `toldonce demo --contacts 200 --json report.json`
    """
    from toldonce.cli.company.director import play
    from toldonce.cli.company.report import report
    from toldonce.runtime.app import run
    from toldonce.runtime.logs import set_up_logging

    set_up_logging(level=os.environ.get("TOLDONCE_LOG_LEVEL") or "error")
    out = Out(json)
    with _folder(data) as folder, _progress(out) as progress:
        verdict = run(play(folder, contacts, seed, progress))
    report(out.console, verdict)
    out.emit(verdict.json() | {"seed": seed})
    if not verdict.good:
        raise typer.Exit(FAILED)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="toldonce-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _progress(out: Out) -> "Iterator[Callable[[Stage], None]]":
    """Show how it goes: live on a terminal, else a line now and then."""
    import time

    console = out.console
    out.say("Starting a log, a store, five services, five gateways and forty agents ...")
    if not console.is_terminal:
        last_s = time.monotonic()

        def line(stage: "Stage") -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= SHOW_EVERY_S:
                last_s = time.monotonic()
                out.say(_sentence(stage))

        yield line
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=4) as live:
        yield lambda stage: live.update(_sentence(stage))


def _sentence(stage: "Stage") -> str:
    told = stage.told
    owned = sum(bool(case.owner) for case in told.cases.values())
    ended = sum(bool(case.ended) for case in told.cases.values())
    waiting = len(told.cases) - owned - ended
    return (
        f"{stage.doing}: {stage.troupe.sent} of {stage.job.contacts} contacts; "
        f"{waiting} cases wait, {owned} are owned, {ended} have ended; "
        f"{len(told.handoffs)} handoffs, {told.breaches} breaches, {told.escalations} escalations"
    )
