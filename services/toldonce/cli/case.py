"""`toldonce case`: a case with its customer's card and the whole story."""

import dataclasses
from datetime import UTC, datetime
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
from toldonce.cli.output import Out, ago, band, lasting
from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import OWN_CHARS

if TYPE_CHECKING:
    from toldonce.client import Client
    from toldonce.client.context import ContextRead
    from toldonce.client.places import PlaceSeen
    from toldonce.client.seen import TraceSeen


def case(
    case_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="A case, a contact or a customer.", show_default=False),
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
    """Show a case: who the customer is, how it stands, why, and the whole story it belongs to.

    Example: `toldonce case 4kd...` with an id that `toldonce submit` printed
    """
    from toldonce.runtime.app import run

    out = Out(json)

    async def look() -> "tuple[ContextRead, list[TraceSeen], PlaceSeen | None]":
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            return await _look(client, case_id)

    read, traces, place = run(look())
    _show(out, read, traces, place, everything=everything)
    out.emit(_figures(read, traces, place))


async def _look(
    client: "Client", given: str
) -> "tuple[ContextRead, list[TraceSeen], PlaceSeen | None]":
    from toldonce.client.context import read_context
    from toldonce.client.desk import Desk
    from toldonce.client.gateway import Gateway

    if len(given) == OWN_CHARS:
        given = await _case_of(client, given)
    try:
        read = await read_context(client, given)
    except Missing as no:
        try:
            contact = await Gateway(client).contact(given)
        except Missing:
            raise no from None
        read = await read_context(client, contact.case_id)
    desk = Desk(client)
    try:
        traces = await desk.explain(read.case.case_id)
    except Missing:
        traces = []
    return read, traces, await desk.place(read.case.case_id)


async def _case_of(client: "Client", customer: str) -> str:
    """Find a case by which the story of a customer can be read; raises Missing."""
    from toldonce.client.desk import Desk

    found = await Desk(client).cases(customer=customer)
    if not found:
        raise Missing(
            "case", "this customer has no open case; name a closed one, or one of their contacts"
        )
    return found[0].case_id


def _show(
    out: Out,
    read: "ContextRead",
    traces: "list[TraceSeen]",
    place: "PlaceSeen | None",
    *,
    everything: bool,
) -> None:
    from toldonce.cli.story import card_lines, lines, missing, standing, topic

    case = read.case
    for line in card_lines(read.card):
        out.say(line)
    out.say()
    owner = f"{case.owner} owns it" if case.owner else "nobody owns it"
    out.say(f"case {case.case_id}")
    out.say(
        f"  {case.state}, {case.work}; {owner} (epoch {case.epoch}); queue {case.queue}, "
        f"channel {case.channel}, topic {topic(read)}, "
        f"language {case.language or 'unknown'}, priority {case.priority}"
    )
    out.say(f"  opened {ago(case.opened_at)} ago, {case.hops} handoffs")
    for said in standing(case, datetime.now(UTC)):
        out.say(f"  {said}")
    if case.callback_at:
        out.say(f"  to be called back, asked {ago(case.callback_at)} ago{_where(read)}")
    if case.not_before_at and not case.owner:
        out.say(f"  scheduled: nobody is asked before {case.not_before_at:%Y-%m-%d %H:%M} UTC")
    for clock in case.clocks:
        due = f"{clock.due_at:%Y-%m-%d %H:%M:%S} UTC" if clock.due_at else "never"
        out.say(f"  clock {clock.kind}: {clock.state}, due {due}")
    if case.handoff:
        handoff = case.handoff
        out.say(f"  being handed over by {handoff.from_agent or 'nobody'} to {handoff.to}")
    if place is not None and place.position:
        out.say(f"  number {place.position} in line, {_expected(place)}")
    if traces:
        out.say(f"  why: {traces[0].reason} (policy {traces[0].policy_version})")
    else:
        out.say("  why: no decision about it is kept: none was made, or it was long ago")
    out.say()
    for line in lines(read, everything=everything):
        out.say(line)
    for sentence in missing(read):
        out.say(f"missing: {sentence}")


def _where(read: "ContextRead") -> str:
    from toldonce.cli.story import call_at

    to = call_at(read)
    return f", at {to}" if to else ""


def _expected(place: "PlaceSeen") -> str:
    wait = place.wait
    if wait is None:
        return "how long it may wait is not known"
    return (
        f"may wait {lasting(wait.estimate_s)} more (eight in ten: {band(wait.low_s, wait.high_s)})"
    )


def _figures(
    read: "ContextRead", traces: "list[TraceSeen]", place: "PlaceSeen | None"
) -> dict[str, Any]:
    from toldonce.cli.story import missing

    return {
        "case": dataclasses.asdict(read.case),
        "place": None if place is None else dataclasses.asdict(place),
        "customer_id": read.customer_id,
        "card": dataclasses.asdict(read.card),
        "handoffs": [dataclasses.asdict(handoff) for handoff in read.handoffs],
        "missing": list(missing(read)),
        "sequence": read.upto,
        "context_hash": read.hash.hex(),
        "timeline": [
            {
                "sequence": item.sequence,
                "index": item.index,
                "at_us": item.at_us,
                "type": item.type,
                "case": item.case,
                "event_id": item.event_id,
                "actor": item.actor,
                "channel": item.channel,
                "text": item.text,
                "facts": dict(item.attributes),
            }
            for item in read.items
        ],
        "decisions": [dataclasses.asdict(trace) for trace in traces],
    }
