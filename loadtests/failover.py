"""How long nobody is offered anything when the engine that leads stops: on real processes.

A deployment runs with two replicas of routing, agents on both, and contacts at a steady rate. Round
by round the leading replica is paused (SIGSTOP, and let go on later) or killed (SIGKILL, and
started again). Measured is the time from the signal to the first offer of the next engine, by the
log; what the log says is held against the promises afterwards.
"""

import asyncio
import json
import math
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loadtests import material
from loadtests.failover_history import History
from loadtests.failover_people import AGENTS, UNITS, Doors, People
from loadtests.fleet import Process, process, serving
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import names, secrets
from toldonce.runtime.auth import issue
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import check
from toldonce.runtime.log import Stored
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log
from toldonce.runtime.zones import WheelZones

TENANT = "demo"
MUST_S = 10.0
GOAL_S = 5.0
STEADY_S = 2.0
AFTER_S = 1.0
BEGIN_S = 30.0
TAKE_OVER_S = 20.0
FOLLOW_S = 10.0
END_S = 20.0
_POLL_S = 0.05
_LEADS, _FOLLOWS = "leading", "not leading any more"
_MILLI = 1_000

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One failover: by which signal, and how long it took.

    `answers_s` is how long the next engine took to answer a question, at most; `follows_s` how long
    after it was let go on a paused leader noticed (None: it was killed).
    """

    signal: str
    takeover_s: float
    answers_s: float
    follows_s: float | None


@dataclass(slots=True)
class Outcome:
    """What was measured, and the log for whoever wants to judge for themselves."""

    report: dict[str, Any]
    stored: Sequence[Stored] = field(repr=False)


async def failover(rounds: int, say: Say) -> Outcome:
    """Run so many failovers, pauses and kills in turn; raises Unavailable when one never ends."""
    document = material.document(AGENTS, UNITS)
    with tempfile.TemporaryDirectory(prefix="toldonce-load-", ignore_cleanup_errors=True) as folder:
        async with _deployment(Path(folder), document) as (replicas, doors, nats_url, pages):
            history = History(check(document, WheelZones()))
            link = await Link.connect(nats_url, name="reader")
            try:
                log = nats_log(
                    link, epoch=names.STORY_EPOCH, clock=SystemClock(), monitor_urls=pages
                )
                async with log as opened:
                    following = asyncio.create_task(history.follow(opened), name="history")
                    people = People(doors)
                    done = [
                        await _round(replicas, people, history, _signal_of(number), say)
                        for number in range(rounds)
                    ]
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            finally:
                await link.close()
    return Outcome(_report(done, people, history), history.stored)


def told(report: Mapping[str, Any]) -> str:
    """Write the report as lines of text."""
    lines = [f"  {one['takeover_s']:6.2f} s  {one['signal']}" for one in report["rounds"]]
    faults = {name: count for name, count in report["faults"].items() if count}
    return "\n".join(
        [
            f"{len(lines)} failovers, {report['contacts']} contacts, {report['offers']} offers",
            *lines,
            (
                f"from the signal to the next engine's first offer: p50 "
                f"{report['takeover_p50_s']:.2f} s, p99 {report['takeover_p99_s']:.2f} s, longest "
                f"{report['takeover_max_s']:.2f} s (must be under {MUST_S:g}, goal {GOAL_S:g})"
            ),
            f"broken promises: {json.dumps(faults) if faults else 'none'}",
            "",
        ]
    )


def _signal_of(number: int) -> signal.Signals:
    return signal.SIGKILL if number % 2 else signal.SIGSTOP


@asynccontextmanager
async def _deployment(
    folder: Path, document: str
) -> AsyncIterator[tuple[Sequence[Process], Doors, str, list[str]]]:
    """Run servers, intake, ownership and two replicas of routing."""
    kept = secrets.make(folder / "secrets")

    def token(role: Role, subject: str) -> str:
        return issue(kept, Principal(TENANT, role, subject), SystemClock())

    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(serving(folder, TENANT, document))
        intake, ownership = (process(name, servers, folder) for name in ("intake", "ownership"))
        replicas = [process("routing", servers, folder, name=f"routing-{x}") for x in "ab"]
        for one in (intake, ownership, *replicas):
            stack.push_async_callback(_end, one)
        await asyncio.gather(*(one.child.start() for one in (intake, ownership, *replicas)))
        doors = Doors([one.address for one in replicas], ownership.address, intake.address, token)
        yield replicas, doors, servers.nats_url, [servers.monitor_url]


async def _end(one: Process) -> None:
    if one.child.pid is not None:
        os.kill(one.child.pid, signal.SIGCONT)  # one that is paused hears nothing
    await one.child.stop()


async def _round(
    replicas: Sequence[Process],
    people: People,
    history: History,
    number: signal.Signals,
    say: Say,
) -> Round:
    """Stop the leader in the middle of things, and let everything be served."""
    async with people.at_work():
        async with people.calling():
            before = history.newest
            await _need(
                history.until(
                    lambda: history.offers > 0 and _leader(replicas) is not None, BEGIN_S
                ),
                "no engine made an offer",
            )
            await asyncio.sleep(STEADY_S)
            leader = _leader(replicas)
            if leader is None or leader.child.pid is None:
                raise Unavailable("no engine leads")
            before, written = history.newest, len(leader.log())
            async with people.rush():
                at = datetime.now(UTC)
                os.kill(leader.child.pid, number)
            await _need(
                history.until(lambda: history.newest > before, TAKE_OVER_S),
                f"nobody took over from {leader.name}",
            )
            takeover_s = (history.first_at[history.newest] - at) / timedelta(seconds=1)
            say(f"{number.name} to {leader.name}: the next offer came {takeover_s:.2f} s later")
            await asyncio.sleep(AFTER_S)
            other = next(one for one in replicas if one is not leader)
            answers_s = await people.asks(other.address)
            follows_s = await _bring_back(leader, number, written)
            await asyncio.sleep(AFTER_S)
        await history.until(lambda: not history.open(people.cases), END_S)
    return Round(number.name, takeover_s, answers_s, follows_s)


async def _need(waiting: Awaitable[bool], sentence: str) -> None:
    if not await waiting:
        raise Unavailable(sentence)


async def _bring_back(leader: Process, number: signal.Signals, written: int) -> float | None:
    """Let a paused leader go on until it knows that it does not lead; start a killed one."""
    if number is signal.SIGKILL:
        await leader.child.kill()
        await leader.child.start()
        return None
    pid = leader.child.pid
    if pid is None:
        raise Unavailable(f"{leader.name} ended while it was paused")
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    os.kill(pid, signal.SIGCONT)
    while _FOLLOWS not in leader.log()[written:]:
        if loop.time() - began_s > FOLLOW_S:
            raise Unavailable(f"{leader.name} does not see that it does not lead any more")
        await asyncio.sleep(_POLL_S)
    return loop.time() - began_s


def _leader(replicas: Sequence[Process]) -> Process | None:
    """Say who leads: of those whose last word is that they do, the one with the highest epoch."""
    leading = [(epoch, one.name, one) for one in replicas if (epoch := _led(one.log()))]
    return max(leading)[2] if leading else None


def _led(log: str) -> int:
    """Read under which epoch a process says last that it leads; 0 for none."""
    for line in reversed(log.splitlines()):
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") in {_LEADS, _FOLLOWS}:
            return int(said["epoch"]) if said["event"] == _LEADS else 0
    return 0


def _report(done: Sequence[Round], people: People, history: History) -> dict[str, Any]:
    took = sorted(one.takeover_s for one in done)
    return {
        "takeover_p50_s": _share(took, 0.5),
        "takeover_p99_s": _share(took, 0.99),
        "takeover_max_s": round(took[-1], 3),
        "must_s": MUST_S,
        "goal_s": GOAL_S,
        "rounds": [
            {
                "signal": one.signal,
                "takeover_s": round(one.takeover_s, 3),
                "answers_s": round(one.answers_s, 3),
                "follows_s": None if one.follows_s is None else round(one.follows_s, 3),
            }
            for one in done
        ],
        "contacts": len(people.contacts),
        "offers": history.offers,
        "comebacks": people.comebacks,
        "faults": history.faults(people.contacts, people.cases),
        "cores": os.cpu_count(),
    }


def _share(ordered: Sequence[float], share: float) -> float:
    """Give the value that `share` of them do not exceed (nearest rank)."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)
