"""`toldonce drain`: give an agent nothing new, until that is ended."""

import dataclasses
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


def drain(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Who.", show_default=False)],
    *,
    reason: ReasonOption,
    hand_back: Annotated[
        bool, typer.Option("--hand-back", help="What they own goes too, one case a second.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="End it: they get work again.")] = False,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Give an agent nothing new: before a training, a long case, an end of employment.

    It holds whatever they declare, over reconnects and restarts, until `--end`. Offers to them are
    taken back. What they own they keep until it is done; with --hand-back it goes by the rule of
    its channel for an absent owner (`owner_absent`), after its grace.

    Example: `toldonce drain anouk --reason training`
    """
    from toldonce.client.steering import DrainSeen, Steering
    from toldonce.runtime.app import run

    out = Out(json)

    async def go() -> DrainSeen:
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            code = phrases.code(reason)
            return await Steering(client).drain(agent, code, hand_back=hand_back, end=end)

    done = run(go())
    if done.drained_at is None:
        out.say(f"{agent} gets work again.")
    else:
        out.say(f"{agent} gets nothing new since {done.drained_at:%H:%M:%S} UTC.")
    out.say(f"{agent} owns {len(done.case_ids)} cases" + (":" if done.case_ids else "."))
    for case_id in done.case_ids:
        out.say(f"  {case_id}")
    out.emit(dataclasses.asdict(done))
