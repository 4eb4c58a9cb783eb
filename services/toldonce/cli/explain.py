"""`toldonce explain`: why this agent, why not each other one, and what would have to change."""

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
from toldonce.cli.output import Out
from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import OWN_CHARS

if TYPE_CHECKING:
    from toldonce.client import Client
    from toldonce.client.seen import CandidateSeen, TraceSeen

_CHANGES = {
    "PRESENCE": "would have to be connected",
    "AVAILABILITY": "would have to be on shift and available",
    "NOT_YET": "nothing: nobody is asked before its time",
    "CAPACITY": "would have to end some of their work first",
    "QUEUE": "would have to work on this queue",
    "SKILL": "would need the skill, or the requirement would have to relax",
    "LANGUAGE": "would need the language, or the requirement would have to relax",
    "EXCLUDED": "nothing: this case is not theirs to have",
    "COOL_DOWN": "the pause would have to be over",
    "OWNER_PREFERRED": "the wait for who had it before would have to be over",
    "OUTRANKED": "those ahead of them would have to be busy",
}
_CHOSEN = "NONE"


def explain(
    what: Annotated[
        str,
        typer.Argument(metavar="ID", help="A case, an offer or a decision.", show_default=False),
    ],
    *,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Explain decisions: who was chosen, what each other agent lacked, what would change it.

    Decisions of desks with more than 64 agents are recounted from the journal, as long as it is
    kept; agents alike are then told as one.

    Example: `toldonce explain 4kd...` with the id of a case
    """
    from toldonce.runtime.app import run

    out = Out(json)

    async def look() -> "list[TraceSeen]":
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            return await _look(client, what)

    traces = run(look())
    for trace in traces:
        for line in lines(trace):
            out.say(line)
        out.say()
    if not traces:
        out.say("Nothing was decided about it yet, or it was too long ago.")
    out.emit({"decisions": [figures(trace) for trace in traces]})


async def _look(client: "Client", what: str) -> "list[TraceSeen]":
    """Take an id for a case first, then for an offer; a short one is a decision's."""
    from toldonce.client.desk import Desk

    desk = Desk(client)
    if len(what) == OWN_CHARS:
        return await desk.explain_decision(what)
    try:
        return await desk.explain(what)
    except Missing as no:
        try:
            return await desk.explain_offer(what)
        except Missing:
            raise no from None


def lines(trace: "TraceSeen") -> list[str]:
    """Tell a decision, a line for each agent or for each group of agents alike."""
    at = "" if trace.at is None else f" at {trace.at:%Y-%m-%d %H:%M:%S.%f} UTC"
    who = f"offered to {trace.chosen}" if trace.chosen else "offered to nobody"
    step = f", {trace.step} steps relaxed" if trace.step else ""
    about = (
        f"  decision {trace.decision_id}, policy {trace.policy_version}, engine "
        f"{trace.engine_epoch}; it had waited {trace.waited_s:.1f} s{step}; "
        f"{trace.considered} agents were looked at"
    )
    width = max((len(one.agent) for one in trace.candidates), default=0)
    each = [_line(one, max(width, 1)) for one in trace.candidates]
    return [f"{who}{at}: {trace.reason}", about, *each]


def _line(one: "CandidateSeen", width: int) -> str:
    if one.gate == _CHOSEN:
        return f"  {one.agent:{width}}  chosen: {one.detail}"
    gate = one.gate.lower().replace("_", " ")
    rank = f" (place {one.rank})" if one.rank else ""
    return f"  {one.agent or '*':{width}}  {gate}{rank}: {one.detail}; {change(one)}"


def change(one: "CandidateSeen") -> str:
    """Say what would have to change for this agent, or this group, to be chosen."""
    return _CHANGES.get(one.gate, "")


def figures(trace: "TraceSeen") -> dict[str, Any]:
    """Give a decision to machines."""
    told = dataclasses.asdict(trace)
    told["candidates"] = [
        dataclasses.asdict(one) | {"change": change(one)} for one in trace.candidates
    ]
    return told
