"""`toldonce assign`: have a waiting case offered to a certain agent whatever the policy says."""

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


def assign(
    case_id: Annotated[
        str, typer.Argument(metavar="CASE", help="Which waiting case.", show_default=False)
    ],
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help="Who is to be offered it.", show_default=False)
    ],
    *,
    reason: ReasonOption,
    past: Annotated[
        list[str] | None,
        typer.Option(
            "--past",
            metavar="GATE",
            help="A gate that is not to count: presence, availability, capacity, queue, skill or "
            "language. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Offer a waiting case to a certain agent now; an offer of it to somebody else is taken back.

    Whose turn it is, cool-downs and preferred owners do not count. Who is not there, has no units
    left or lacks a skill is offered it only --past that gate; past capacity it is an overdraft, and
    counted (`toldonce_overdrafts_total`). The accept hands it over, as always.

    Example: `toldonce assign 4kd... carla --reason "vip callback" --past capacity`
    """
    gates = [gate.upper() for gate in past or ()]
    code = phrases.code(reason)
    steer(
        lambda line: line.assign(case_id, agent, code, past=gates),
        address,
        token,
        as_=as_,
        data=data,
        json=json,
        agent=agent,
    )
