"""What the commands that steer the router say of the case they were about."""

import dataclasses
from typing import TYPE_CHECKING

from toldonce.cli.output import Out, ago

if TYPE_CHECKING:
    from toldonce.client.seen import CaseSeen


def show(out: Out, case: "CaseSeen", agent: str = "") -> None:
    """Tell how the case stands; `agent` is who was to be offered it."""
    if agent and case.work == "OFFERED":
        out.say(f"It is on offer to {agent}; the accept hands it over.")
    elif case.owner:
        out.say(f"{case.owner} owns it (epoch {case.epoch}).")
    else:
        out.say(f"It waits in {case.queue}, for {ago(case.enqueued_at)} already.")
    out.say(f"case {case.case_id}  (queue {case.queue}, priority {case.priority})")
    out.emit(dataclasses.asdict(case))
