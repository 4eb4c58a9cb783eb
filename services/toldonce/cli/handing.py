"""Handing many contacts in, and waiting until each has an owner or a reason why it has none."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from toldonce.cli.output import Out
from toldonce.client import Client
from toldonce.client.desk import Desk
from toldonce.client.gateway import Gateway
from toldonce.client.seen import TraceSeen
from toldonce.client.submission import Ack, Submission
from toldonce.kernel.errors import Missing, Refusal, Unavailable

ASKING_MAX = 16
POLL_S = 0.25
SHOWN_MAX = 5
_OVER = {"DONE", "ABANDONED", "CANCELLED"}


@dataclass(slots=True)
class Handed:
    """What became of the contacts."""

    submitted: int
    acks: list[tuple[Submission, Ack]] = field(default_factory=list)
    refused: list[tuple[Submission, str]] = field(default_factory=list)
    owned: int = 0
    ended: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    without_reason: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Tell whether everything was acknowledged and has an owner or a reason."""
        return not self.refused and not self.without_reason and len(self.acks) == self.submitted

    def figures(self) -> dict[str, Any]:
        """Give the figures for machines."""
        repeated = sum(ack.repeat for _, ack in self.acks)
        made: dict[str, Any] = {
            "submitted": self.submitted,
            "acknowledged": len(self.acks),
            "created": len(self.acks) - repeated,
            "repeated": repeated,
            "refused": len(self.refused),
            "owned": self.owned,
            "ended": self.ended,
            "queued": len(self.reasons),
            "without_reason": self.without_reason,
            "reasons": dict(Counter(self.reasons.values()).most_common(SHOWN_MAX)),
            "seconds": round(self.seconds, 3),
            "submitted_per_s": round(self.submitted / self.seconds, 1) if self.seconds else 0.0,
        }
        if self.submitted == 1 and self.acks:
            ack = self.acks[0][1]
            made |= {"contact_id": ack.contact_id, "case_id": ack.case_id, "queue": ack.queue}
        return made

    def show(self, out: Out) -> None:
        """Tell people."""
        if self.submitted == 1 and self.acks:
            ack = self.acks[0][1]
            now = "" if ack.live is None else ack.live.text
            if ack.text:
                out.say(f"The customer is told: {f'{ack.text} {now}'.strip()}")
            out.say(f"contact {ack.contact_id}\ncase    {ack.case_id}  (queue {ack.queue})")
        figures = self.figures()
        out.say(
            f"{figures['submitted']} handed in, {figures['acknowledged']} acknowledged "
            f"({figures['created']} new, {figures['repeated']} there already): "
            f"{figures['owned']} owned, {figures['queued']} in a queue, {figures['ended']} ended; "
            f"{figures['without_reason']} without a reason; {self.seconds:.1f} s."
        )
        for reason, count in figures["reasons"].items():
            out.say(f"  {count} wait: {reason}")
        for given, why in self.refused[:SHOWN_MAX]:
            out.say(f"  refused, row {given.message_id.rpartition(':')[2]}: {why}")
        if len(self.refused) > SHOWN_MAX:
            out.say(f"  and {len(self.refused) - SHOWN_MAX} more refused")


async def hand_in(
    client: Client, contacts: Sequence[Submission], gateway: str, out: Out, *, wait_s: float
) -> Handed:
    """Hand everything in, then look after each contact until it is settled (or `wait_s` is up)."""
    handed = Handed(len(contacts))
    begun_s = time.monotonic()
    entrance = Gateway(client, gateway)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out.console,
        disable=not out.console.is_terminal,
        transient=True,
    )
    with progress:
        bar = progress.add_task("handed in", total=len(contacts))
        async with aclosing(entrance.submit_many(contacts)) as answers:
            async for given, answer in answers:
                if isinstance(answer, Refusal):
                    handed.refused.append((given, str(answer)))
                else:
                    handed.acks.append((given, answer))
                progress.advance(bar)
        settling = progress.add_task("owner or reason", total=len(handed.acks))
        await _settle(client, entrance, handed, wait_s, lambda: progress.advance(settling))
    handed.seconds = time.monotonic() - begun_s
    return handed


async def _settle(
    client: Client,
    entrance: Gateway,
    handed: Handed,
    wait_s: float,
    advance: Callable[[], None],
) -> None:
    desk = Desk(client)
    asking = asyncio.Semaphore(ASKING_MAX)

    async def one(ack: Ack) -> None:
        async with asking:
            reason = await _reason(desk, entrance, ack, wait_s)
            match reason:
                case "owned":
                    handed.owned += 1
                case "ended":
                    handed.ended += 1
                case "":
                    handed.without_reason += 1
                case _:
                    handed.reasons[ack.contact_id] = reason
            advance()

    async with asyncio.TaskGroup() as group:
        for _, ack in handed.acks:
            group.create_task(one(ack))


async def _reason(desk: Desk, entrance: Gateway, ack: Ack, wait_s: float) -> str:
    """Say `owned`, `ended`, or the sentence why it waits; "" when there is none in time."""
    until_s = time.monotonic() + wait_s
    while True:
        try:
            traces = await desk.explain(ack.case_id)
        except (Missing, Unavailable):
            traces = []  # the engine has not heard of it yet, or the story has moved
        if traces and _waits(traces[0]):
            return traces[0].reason
        contact = await entrance.contact(ack.contact_id)
        if contact.state == "OWNED":
            return "owned"
        if contact.state in _OVER:
            return "owned" if contact.owned_at else "ended"
        if time.monotonic() >= until_s:
            return traces[0].reason if traces else ""
        await asyncio.sleep(POLL_S)


def _waits(trace: TraceSeen) -> bool:
    """Tell whether a trace speaks of a case that waits: each agent was looked at, none chosen."""
    return bool(trace.reason and trace.candidates and not trace.chosen)
