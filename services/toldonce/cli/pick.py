"""`toldonce pick`: be offered a certain waiting case, or the next of a queue."""

from typing import Annotated

import typer

from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    TokenOption,
)
from toldonce.cli.steered import steer
from toldonce.kernel.errors import Invalid


def pick(
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help="Who is to be offered it.", show_default=False)
    ],
    case_id: Annotated[
        str, typer.Argument(metavar="[CASE]", help="Which case.", show_default=False)
    ] = "",
    *,
    queue: Annotated[
        str, typer.Option("--queue", help="The next of this queue instead.", show_default=False)
    ] = "",
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Ask for a certain waiting case, or for the next of a queue, without waiting for one's turn.

    The gates of the policy hold (there, skills, language, capacity): what is in the way is said.
    Who declared DO_NOT_ROUTE may pick, and so may who declined it. What comes is an offer like any
    other, on the agent's desktop.

    Example: `toldonce pick anouk --queue orders`
    """
    if bool(case_id) == bool(queue):
        raise Invalid("", "name a case, or a queue whose next one is meant: --queue orders")
    steer(
        lambda line: line.pick(case_id, queue=queue, agent=agent),
        address,
        token,
        as_=as_,
        data=data,
        json=json,
        usual=f"agent:{agent}",
        agent=agent,
    )
