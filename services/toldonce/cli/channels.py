"""`toldonce channels`: how the service on each channel differs from that on all of them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

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
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.client.channels import ChannelsSeen, StandingSeen, TableSeen

_WINDOWS = {"24h": "DAY", "7d": "WEEK"}
_NAMES = {window: name for name, window in _WINDOWS.items()}
_TITLES = {
    "service_level": "answered in time",
    "service_level_less_early": "  less who left before",
    "wait_service_level": "taken in time",
    "wait_service_level_less_early": "  less who left before",
    "first_response": "first answer after",
    "queue_wait": "taken after",
    "first_owner": "resolved by first owner",
    "retold": "told again",
    "commitments_kept": "commitments kept",
    "closed_by_bot": "closed by a bot",
}


def channels(
    *,
    window: Annotated[
        str, typer.Option("--window", help="24h or 7d; else both.", show_default=False)
    ] = "",
    formulas: Annotated[
        bool, typer.Option("--formulas", help="Say how each figure is made.")
    ] = False,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Compare the channels: in time, waits and outcomes, each beside that of all channels.

    Behind each value stands its gap to all channels; `!` marks one that is more than chance.

    Example: `toldonce channels --window 24h`
    """
    from toldonce.client.channels import channels as ask
    from toldonce.runtime.app import run

    if window and window not in _WINDOWS:
        raise Invalid("--window", f"there is no {window}: wanted {' or '.join(_WINDOWS)}")
    out = Out(json)

    async def look() -> "ChannelsSeen":
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            return await ask(client, _WINDOWS.get(window, ""))

    found = run(look())
    for one in found.tables:
        _show(out, one)
    if formulas:
        out.say(f"Formulas, version {found.formula_version}:")
        for figure, formula in found.formulas.items():
            out.say(f"  {figure}: {formula}")
    out.emit(_figures(found))


def _show(out: Out, seen: "TableSeen") -> None:
    from rich.table import Table

    name = _NAMES.get(seen.window, seen.window)
    names = sorted({one.channel for one in seen.standings})
    if not names:
        out.say(f"{name}: nothing was counted yet.")
        return
    table = Table(box=None, header_style="bold", title=f"last {name}", title_justify="left")
    table.add_column("")
    table.add_column("all", justify="right")
    for channel in names:
        table.add_column(channel, justify="right")
    rows: dict[str, dict[str, StandingSeen]] = {}
    for one in seen.standings:
        rows.setdefault(one.figure, {})[one.channel] = one
    for figure, by_channel in rows.items():
        first = next(iter(by_channel.values()))
        cells = [_cell(by_channel[channel]) for channel in names]
        table.add_row(_TITLES.get(figure, figure), _value(first.mean, wait=first.wait), *cells)
    out.console.print(table)


def _cell(one: "StandingSeen") -> str:
    if one.value is None or one.gap is None:
        return "-"
    gap = f"{one.gap:+.0f}" if one.wait else f"{100 * one.gap:+.0f}"
    return f"{_value(one.value, wait=one.wait)} ({gap}{'!' if one.sure else ''})"


def _value(value: float | None, *, wait: bool) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} s" if wait else f"{value:.0%}"


def _figures(found: "ChannelsSeen") -> dict[str, Any]:
    return {
        "formula_version": found.formula_version,
        "formulas": found.formulas,
        "sequence": found.sequence,
        "windows": [
            {
                "window": _NAMES.get(one.window, one.window),
                "from_at": one.from_at and one.from_at.isoformat(),
                "to_at": one.to_at and one.to_at.isoformat(),
                "standings": [
                    {
                        **{key: value for key, value in asdict(standing).items() if key != "wait"},
                        "unit": "seconds" if standing.wait else "share",
                    }
                    for standing in one.standings
                ],
            }
            for one in found.tables
        ],
    }
