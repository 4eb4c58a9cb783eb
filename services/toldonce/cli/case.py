"""`toldonce case`: a case with its timeline."""

import dataclasses
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
from toldonce.cli.output import Out, ago
from toldonce.kernel.errors import Missing

if TYPE_CHECKING:
    from toldonce.client import Client
    from toldonce.client.context import ContextRead
    from toldonce.client.seen import TraceSeen


def case(
    case_id: Annotated[
        str, typer.Argument(metavar="ID", help="A case or a contact.", show_default=False)
    ],
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what only machines care about.")
    ] = False,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Show a case: how it stands, why, and the whole story it belongs to.

    Example: `toldonce case 4kd...` with an id that `toldonce submit` printed
    """
    from toldonce.runtime.app import run

    out = Out(json)

    async def look() -> "tuple[ContextRead, list[TraceSeen]]":
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            return await _look(client, case_id)

    read, traces = run(look())
    _show(out, read, traces, everything=everything)
    out.emit(_figures(read, traces))


async def _look(client: "Client", given: str) -> "tuple[ContextRead, list[TraceSeen]]":
    from toldonce.client.context import read_context
    from toldonce.client.desk import Desk
    from toldonce.client.gateway import Gateway

    try:
        read = await read_context(client, given)
    except Missing as no:
        try:
            contact = await Gateway(client).contact(given)
        except Missing:
            raise no from None
        read = await read_context(client, contact.case_id)
    try:
        traces = await Desk(client).explain(read.case.case_id)
    except Missing:
        traces = []
    return read, traces


def _show(out: Out, read: "ContextRead", traces: "list[TraceSeen]", *, everything: bool) -> None:
    from toldonce.cli.story import lines

    case = read.case
    owner = f"{case.owner} owns it" if case.owner else "nobody owns it"
    out.say(f"case {case.case_id}")
    out.say(
        f"  {case.state}, {case.work}; {owner} (epoch {case.epoch}); queue {case.queue}, "
        f"channel {case.channel}, topic {case.topic or 'unknown'}, "
        f"language {case.language or 'unknown'}, priority {case.priority}"
    )
    out.say(f"  opened {ago(case.opened_at)} ago, {case.hops} handoffs")
    for clock in case.clocks:
        out.say(f"  clock {clock.kind}: {clock.state}, due {clock.due_at or 'never'}")
    if traces:
        out.say(f"  why: {traces[0].reason} (policy {traces[0].policy_version})")
    out.say()
    for line in lines(read, everything=everything):
        out.say(line)


def _figures(read: "ContextRead", traces: "list[TraceSeen]") -> dict[str, Any]:
    return {
        "case": dataclasses.asdict(read.case),
        "customer_id": read.customer_id,
        "sequence": read.upto,
        "context_hash": read.hash.hex(),
        "timeline": [
            {
                "sequence": item.sequence,
                "index": item.index,
                "at_us": item.at_us,
                "type": item.type,
                "actor": item.actor,
                "channel": item.channel,
                "text": item.text,
                "facts": dict(item.attributes),
            }
            for item in read.items
        ],
        "decisions": [dataclasses.asdict(trace) for trace in traces],
    }
