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
    connect,
)
from toldonce.cli.output import Out
from toldonce.cli.steered import show


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
    from toldonce.client.seen import CaseSeen
    from toldonce.client.steering import Steering
    from toldonce.runtime.app import run

    out = Out(json)

    async def go() -> CaseSeen:
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            gates = [gate.upper() for gate in past or ()]
            return await Steering(client).assign(case_id, agent, phrases.code(reason), past=gates)

    show(out, run(go()), agent)
