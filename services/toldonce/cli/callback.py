"""`toldonce callback`: have a customer called back, or put a case off."""

from typing import Annotated

import typer

from toldonce.cli import phrases
from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    ReasonOption,
    TokenOption,
)
from toldonce.cli.steered import steer


def callback(
    case_id: Annotated[
        str, typer.Argument(metavar="CASE", help="Which open case.", show_default=False)
    ],
    *,
    reason: ReasonOption,
    at: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Not before: 30m, 2h, 3d from now, or 2026-01-31T14:00 (UTC). "
            "Else as soon as its turn comes.",
            show_default=False,
        ),
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            metavar="NUMBER",
            help="Where to call (+31...); else where they came from.",
            show_default=False,
        ),
    ] = "",
    only_wait: Annotated[
        bool, typer.Option("--only-wait", help="Put it off; nobody is to be called.")
    ] = False,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Have the customer of a case called back, in its place or by appointment.

    Until its time nobody is asked and no clock of it runs; then it waits, as old as it is. Said
    again, the latest time counts; without a time it waits from now on. Who owns it gives it back.

    Example: `toldonce callback 4kd... --at 2h --reason "at her wish"`
    """
    from datetime import UTC, datetime

    from toldonce.client.submission import Address

    code = phrases.code(reason)
    from_at = phrases.due(at, datetime.now(UTC), "--at 2h") if at else None
    there = Address("PHONE", to) if to else None
    steer(
        lambda line: line.schedule(case_id, from_at, code, callback=not only_wait, to=there),
        address,
        token,
        as_=as_,
        data=data,
        json=json,
    )
