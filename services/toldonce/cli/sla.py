"""`toldonce sla`: when something is due, where a clock's time went, and who will soon be late."""

from contextlib import nullcontext, suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    TokenOption,
    connect,
)
from toldonce.cli.output import Out
from toldonce.kernel.errors import Invalid, Missing

if TYPE_CHECKING:
    from toldonce.client import Client
    from toldonce.client.clocks import ClockTold
    from toldonce.kernel.clocks import ClockKind

sla = typer.Typer(
    help="Clocks of cases: when something is due, where the time went, and who is nearly late.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config", metavar="FILE", help="The YAML document with the calendar.", show_default=False
    ),
]


@sla.command()
def due(
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FROM/TO", help="Further pauses, as after --pause.", show_default=False
        ),
    ] = None,
    *,
    config: ConfigOption,
    calendar: Annotated[
        str,
        typer.Option(
            help="By which time counts: one of that document, or `always`.",
            show_default=False,
        ),
    ],
    from_: Annotated[
        str,
        typer.Option(
            "--from", metavar="TIME", help="From when on time counts.", show_default=False
        ),
    ],
    minutes: Annotated[
        int,
        typer.Option(
            help="After how many minutes of working time it is due: a whole number.",
            show_default=False,
        ),
    ],
    pause: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM/TO",
            help="Time that does not count; FROM/ has no end yet. As often as you like.",
            show_default=False,
        ),
    ] = None,
    warn_fraction: Annotated[
        float, typer.Option(help="After which part of the time a warning comes: between 0 and 1.")
    ] = 0.8,
    json: JsonOption = "",
) -> None:
    """Say when something would be due: so many working minutes after a time, by a calendar.

    It asks no case and nothing has to run; the services reckon with the same function. The account
    says of every stretch of time whether it counted, and why.

    A TIME is ISO 8601: `2026-06-05T15:30+02:00`, or without an offset as the wall shows it in the
    calendar's zone. One that the change to summer time skips is refused, because no wall ever shows
    it; one that comes twice in autumn is the first, and that is said.

    Example: `toldonce sla due --config examples/demo.yaml --calendar office --from 2026-06-05T16:30
    --minutes 60 --pause 2026-06-05T16:40/2026-06-08T09:15`
    """
    from toldonce.cli.check import read_config
    from toldonce.cli.due import calendar_named, figures, lines, reckon
    from toldonce.cli.walls import Wall
    from toldonce.kernel.clocks import ClockFacts

    out, notes = Out(json), list[str]()
    document = read_config(config)
    hours = calendar_named(calendar, document)
    wall = Wall(hours.zone_name, hours.zone)
    begins = wall.read("--from", from_, notes)
    facts = ClockFacts(begins, wall.pauses([*(pause or ()), *(more or ())], notes))
    found = reckon(document, hours, facts, minutes, warn_fraction)
    for line in (*notes, *lines(found)):
        out.say(line)
    out.emit(figures(found, notes))


@sla.command()
def explain(
    case: Annotated[
        str, typer.Argument(metavar="CASE", help="The id of a case.", show_default=False)
    ],
    *,
    clock: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="One of the clocks named above; else all that are kept.",
            show_default=False,
        ),
    ] = "",
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read the case from what `toldonce export-customer` wrote; nothing has to run.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --export: the YAML document to go by.", show_default=False
        ),
    ] = None,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Say where the time of a case's clocks went: every stretch that counted or did not, and why.

    Clocks: queue-wait, first-response, next-response, resolution, and commitment: each promise to
    the customer that is open, of which every second counts. Times are shown as on the wall in the
    calendar's zone. What counted adds up to the elapsed time.

    With --export and --config the same account is made from an exported log alone. It is as of now;
    of a case that has ended as of its end, but for a promise, which outlives it.

    Example: `toldonce sla explain 4kd...` with the id of a case
    """
    from toldonce.cli.accounts import clock_figures, clock_lines
    from toldonce.cli.check import read_config
    from toldonce.cli.exported import clocks_in
    from toldonce.kernel.ids import parse_whole
    from toldonce.runtime.app import run

    out, kind = Out(json), _kind(clock)
    parse_whole("CASE", case)
    if (export is None) != (config is None):
        raise Invalid("--export", "goes with --config: the document whose clocks are meant")
    if export is not None and config is not None:
        told = clocks_in(export, read_config(config), case, kind, datetime.now(UTC))
    else:

        async def look() -> "list[ClockTold]":
            async with connect(address, token, as_, data, usual="supervisor:cli") as client:
                return await _live(client, case, kind)

        told = run(look())
    zones = [_zone(one.zone_name) for one in told]
    for one, zone in zip(told, zones, strict=True):
        for line in clock_lines(one, zone):
            out.say(line)
        out.say()
    if not told:
        out.say("No clock is kept of this case: no SLA policy fits it, and no promise is open.")
    out.emit({"case": case, "clocks": list(map(clock_figures, told, zones))})


@sla.command(name="at-risk")
def at_risk(
    *,
    queue: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Only cases in this queue; else all.", show_default=False
        ),
    ] = "",
    within: Annotated[
        str,
        typer.Option(
            metavar="LENGTH", help="How soon a clock has to be due: 90s, 15m, 2h; 24h at most."
        ),
    ] = "15m",
    once: Annotated[bool, typer.Option("--once", help="Show how it is now, and end.")] = False,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Show whose clocks will soon be due or are overdue, the least time left first, as it changes.

    A case nobody has yet is shown sooner if its line is expected to last longer than a clock of it
    allows. A clock that stands still with no end known is not shown. It goes on until Ctrl-C;
    --json then writes a line of JSON for each change, and with --once one object.

    Example: `toldonce sla at-risk --queue orders --within 30m`
    """
    from toldonce.cli.risk import Board, follow, seconds, table
    from toldonce.cli.risk import once as look_once
    from toldonce.runtime.app import run

    out, board, within_s = Out(json), Board(), seconds(within)

    async def watch() -> None:
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            if once:
                await look_once(client, board, within_s, queue)
            else:
                await follow(client, board, out, within_s, queue)

    with nullcontext() if once else suppress(KeyboardInterrupt):
        run(watch())
    if once:
        out.console.print(table(board, out.console.width))
        out.emit(board.figures())


async def _live(client: "Client", case: str, kind: "ClockKind | None") -> "list[ClockTold]":
    from toldonce.client.clocks import Clocks

    clocks = Clocks(client)
    found = []
    for one, promise in await clocks.kept(case):
        if kind in {None, one}:
            with suppress(Missing):  # it ended in between
                found.append(await clocks.explain(case, one, promise))
    if kind is not None and not found:
        return [await clocks.explain(case, kind)]
    return found


def _kind(typed: str) -> "ClockKind | None":
    from toldonce.kernel.clocks import ClockKind

    if not typed:
        return None
    names = {kind.name.lower().replace("_", "-"): kind for kind in ClockKind}
    found = names.get(typed.lower().replace("_", "-"))
    if found is None:
        raise Invalid("--clock", f"there is no {typed!r}; there are {', '.join(names)}")
    return found


def _zone(name: str) -> tzinfo:
    from toldonce.runtime.zones import WheelZones

    return WheelZones().zone(name) or UTC
