"""What the commands that steer the router share: ask for it, and say how the case stands then."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from toldonce.cli.options import connect
from toldonce.cli.output import Out, ago

if TYPE_CHECKING:
    from toldonce.client.seen import CaseSeen
    from toldonce.client.steering import Steering

SUPERVISOR = "supervisor:cli"


def steer(
    asked: "Callable[[Steering], Awaitable[CaseSeen]]",
    address: str,
    token: str,
    *,
    as_: str,
    data: Path,
    json: str,
    usual: str = SUPERVISOR,
    agent: str = "",
) -> None:
    """Ask for something, and tell how the case stands; `agent` is who was to be offered it."""
    from toldonce.client.steering import Steering
    from toldonce.runtime.app import run

    async def go() -> "CaseSeen":
        async with connect(address, token, as_, data, usual=usual) as client:
            return await asked(Steering(client))

    _show(Out(json), run(go()), agent)


def _show(out: Out, case: "CaseSeen", agent: str) -> None:
    if agent and case.work == "OFFERED":
        out.say(f"It is on offer to {agent}; the accept hands it over.")
    elif case.owner:
        out.say(f"{case.owner} owns it (epoch {case.epoch}).")
    elif case.not_before_at and case.not_before_at > datetime.now(UTC):
        out.say(f"It is scheduled for {case.not_before_at:%Y-%m-%d %H:%M} UTC, in {case.queue}.")
    else:
        out.say(f"It waits in {case.queue}, for {ago(case.enqueued_at)} already.")
    out.say(f"case {case.case_id}  (queue {case.queue}, priority {case.priority})")
    out.emit(dataclasses.asdict(case))
