"""`toldonce move`: let a waiting case wait in another queue."""

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


def move(
    case_id: Annotated[
        str, typer.Argument(metavar="CASE", help="Which waiting case.", show_default=False)
    ],
    queue: Annotated[
        str, typer.Argument(metavar="QUEUE", help="Where it is to wait.", show_default=False)
    ],
    *,
    reason: ReasonOption,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Let a waiting case wait in another queue, as long as it has waited already.

    Who is asked to take it is not asked any more, and it asks what that queue asks of everybody. A
    case that somebody owns goes elsewhere by a handoff.

    Example: `toldonce move 4kd... returns --reason misrouted`
    """
    code = phrases.code(reason)
    steer(
        lambda line: line.move(case_id, queue, code), address, token, as_=as_, data=data, json=json
    )
