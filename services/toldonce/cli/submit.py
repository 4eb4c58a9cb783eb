"""`toldonce submit`: hand in one contact, or every row of a table."""

from dataclasses import replace
from datetime import UTC, datetime
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
from toldonce.cli.output import FAILED, Out
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.cli.handing import Handed
    from toldonce.client import Client
    from toldonce.client.submission import Submission

_KINDS = ("email", "phone", "handle", "account")
_USUAL = "service:cli"


def submit(
    *,
    text: Annotated[str, typer.Option("--text", help="What the customer says.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="CSV", help="A table; each row a customer.")
    ] = None,
    text_column: Annotated[
        str, typer.Option("--text-column", help="Which column of the table is the text.")
    ] = "text",
    channel: Annotated[str, typer.Option("--channel", help="By which channel.")] = "email",
    email: Annotated[str, typer.Option("--email", help="The customer's address.")] = "",
    phone: Annotated[str, typer.Option("--phone", help="Their number, as +31...")] = "",
    handle: Annotated[str, typer.Option("--handle", help="Their network:name.")] = "",
    account: Annotated[str, typer.Option("--account", help="Their customer number.")] = "",
    name: Annotated[str, typer.Option("--name", help="Their name.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="A subject line.")] = "",
    tier: Annotated[
        str, typer.Option("--tier", help="What the customer is to the company, as configured.")
    ] = "",
    message_id: Annotated[
        str, typer.Option("--message-id", help="Your own id; the same again is a repeat.")
    ] = "",
    gateway: Annotated[str, typer.Option("--gateway", help="As which gateway.")] = "cli",
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Run a system for it, with the data folder.")
    ] = False,
    wait_s: Annotated[
        float, typer.Option("--wait-s", help="How long each may go without owner and reason.")
    ] = 60.0,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Hand in one contact, or every row of a table; ends when each has an owner or a reason.

    The rows of a table have ids of their own, so a second run finds them and creates nothing.

    Example: `toldonce submit --text "Where is my parcel?" --email joan@example.org`

    Example: `toldonce submit --file messages.csv --text-column text --embedded`
    """
    from toldonce.runtime.app import run

    out = Out(json)
    addresses = dict(zip(_KINDS, (email, phone, handle, account), strict=True))
    if (file is None) == (not text):
        raise Invalid("", "say what to hand in: --text TEXT, or --file CSV --text-column NAME")
    if file is not None:
        contacts = _rows(file, text_column, channel, tier)
    else:
        contacts = (
            _one(
                text,
                channel,
                addresses,
                name=name,
                subject=subject,
                message_id=message_id,
                tier=tier,
            ),
        )
    if embedded:
        handed = run(_embedded(data, contacts, gateway, out, wait_s))
    else:

        async def go() -> "Handed":
            async with connect(address, token, as_, data, usual=_USUAL) as client:
                return await _hand(client, contacts, gateway, out, wait_s)

        handed = run(go())
    handed.show(out)
    out.emit(handed.figures())
    if not handed.good:
        raise typer.Exit(FAILED)


def _one(
    text: str,
    channel: str,
    addresses: dict[str, str],
    *,
    name: str,
    subject: str,
    message_id: str,
    tier: str = "",
) -> "Submission":
    from toldonce.client.submission import Address, Submission
    from toldonce.runtime.ids import new_id

    given = tuple(Address(kind.upper(), value) for kind, value in addresses.items() if value)
    return Submission(
        message_id=message_id or new_id(),
        made_at=datetime.now(UTC),
        channel=channel,
        text=text,
        addresses=given,
        name=name,
        subject=subject,
        tier=tier,
    )


def _rows(file: Path, text_column: str, channel: str, tier: str) -> "tuple[Submission, ...]":
    from toldonce.cli.table import read

    return tuple(replace(one, tier=tier) for one in read(file, text_column, channel).contacts)


async def _embedded(
    data: Path, contacts: "tuple[Submission, ...]", gateway: str, out: Out, wait_s: float
) -> "Handed":
    from toldonce.cli.house import house
    from toldonce.client import Client
    from toldonce.kernel.principal import Role
    from toldonce.runtime.logs import set_up_logging

    set_up_logging(level="error")
    out.say(f"Starting a system with the data folder {data} ...")
    async with house(data, metrics_port=None) as running:
        token = running.token(Role.SERVICE, "cli")
        async with Client(running.address, token) as client:
            return await _hand(client, contacts, gateway, out, wait_s)


async def _hand(
    client: "Client",
    contacts: "tuple[Submission, ...]",
    gateway: str,
    out: Out,
    wait_s: float,
) -> "Handed":
    from toldonce.cli.handing import hand_in

    return await hand_in(client, contacts, gateway, out, wait_s=wait_s)
