"""`toldonce prioritise`: let a case count for more, or less."""

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


def prioritise(
    case_id: Annotated[str, typer.Argument(metavar="CASE", help="Which.", show_default=False)],
    priority: Annotated[
        int, typer.Argument(metavar="0-1000", help="Higher comes first.", show_default=False)
    ],
    *,
    reason: ReasonOption,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Let a case count for more or less from now on: higher first, then older.

    An offer of it that is out stays.

    Example: `toldonce prioritise 4kd... 900 --reason "second complaint"`
    """
    code = phrases.code(reason)
    steer(
        lambda line: line.prioritise(case_id, priority, code),
        address,
        token,
        as_=as_,
        data=data,
        json=json,
    )
