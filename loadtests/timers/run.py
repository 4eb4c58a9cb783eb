"""Whether timers are lost, early or doubled, and how late they are, while things go wrong.

This process runs the real ownership handler over the log in memory. Replicas of sla are processes
of their own on a real store; while a tenth of all timers comes due, replicas are killed and started
anew and the store is wiped. The log is judged afterwards.
"""

import asyncio
import gc
import math
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loadtests.timers.desk import desk
from loadtests.timers.durable import durable
from loadtests.timers.fill import AGE, TENANT, TIMERS, Filled, document, fill
from loadtests.timers.fleet import Fleet, Planned, bare_zadds_per_s, megabytes, peak_kb
from loadtests.timers.judge import LATE_MAX_S, Judge, Verdict
from loadtests.timers.window import END_S, SAY_S, Size, Window
from toldonce.kernel.errors import Unavailable
from toldonce.runtime import secrets
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import check
from toldonce.runtime.embedded import Embedded, embedded
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.store import RedisStore
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.zones import WheelZones

REBUILD_MAX_S = 30.0
LEAD_S = 10.0
LEAD_SHARE = 4.0  # planning takes the longer, the longer filling took: that depends on the machine

type Say = Callable[[str], None]


async def timers(size: Size, say: Say, *, profile: Path | None = None) -> dict[str, object]:
    """Do both runs; returns the report. Raises Unavailable with the sentence why not."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="toldonce-load-", ignore_cleanup_errors=True) as name:
        async with embedded(Path(name)) as servers:
            store = RedisStore.open(servers.store_url)
            try:
                bare = await bare_zadds_per_s(store)
                say(f"bare store: {bare:,.0f} plain ZADDs a second")
                report = await _in_memory(size, say, servers, Planned(store), profile=profile)
            finally:
                await store.close()
    lasting: Mapping[str, object] = {}
    if size.durable:
        say(f"now {size.durable:,} breaches over a real log")
        lasting = await durable(size.durable, say)
    return {
        **report,
        "fired_durable": lasting.get("fired", 0),
        "bare_zadds_per_s": round(bare),
        "armed_ratio": round(float(str(report["armed_per_s"])) / bare, 3),
        "durable": dict(lasting),
        "wall_s": round(time.monotonic() - began_s, 1),
        "cores": os.cpu_count(),
    }


async def _in_memory(
    size: Size, say: Say, servers: Embedded, planned: Planned, *, profile: Path | None
) -> dict[str, object]:
    """Fill the log, plan, let a tenth come due, and judge."""
    soon_at = datetime.now(UTC) - AGE
    log = FakeLog(clock=SystemClock())
    filled = await _filled(log, size, soon_at, say)
    lead_s = LEAD_S + LEAD_SHARE * (datetime.now(UTC) - soon_at - AGE).total_seconds()
    target_s = math.ceil((datetime.now(UTC) - soon_at).total_seconds() + lead_s)
    begins, text = soon_at + timedelta(seconds=target_s), document(target_s)
    until = begins + timedelta(seconds=size.window_s + END_S)
    judge = Judge(filled.awaited(check(text, WheelZones()).at_revision(1), until))
    if len(judge.awaited) != size.stories:
        raise Unavailable(f"{len(judge.awaited)} timers would come due, not {size.stories}")
    folder = servers.valkey.log.parents[1]
    async with desk(secrets.make(folder / "secrets"), log, TENANT, text) as open_desk:
        words = ["--desk", str(open_desk.port), "--store", servers.store_url]
        fleet = Fleet(folder, [*words, "--lease-s", str(size.lease_s)], profile)
        window = Window(
            size,
            begins,
            fleet,
            planned,
            servers.valkey.pid,
            lambda: log.count - filled.last,
            say,
        )
        try:
            await window.arm()
            await window.run()
        finally:
            await fleet.stop()
    for stored in log.messages_after(filled.last):
        judge.take(decode_record(stored.payload))
    memory = {
        "sla": megabytes(max(replica.peak_kb for replica in fleet.replicas)),
        "valkey": megabytes(peak_kb(servers.valkey.pid)),
        "handler_and_log": megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
    }
    return _report(window, judge.verdict(window.faults), memory, open_desk.answered)


async def _filled(log: FakeLog, size: Size, soon_at: datetime, say: Say) -> Filled:
    began_s = said_s = time.monotonic()
    window = timedelta(seconds=size.window_s)
    filled = Filled(0, 0, ())
    async for number, made in fill(log, size.stories, soon_at, window):
        await asyncio.sleep(0)
        filled = made or filled
        if time.monotonic() - said_s > SAY_S:
            said_s = time.monotonic()
            say(f"{number:,} of {size.stories:,} stories in the log")
    gc.collect()
    gc.freeze()  # a log lies in a server's files, where no collector of garbage looks at it
    spent_s = time.monotonic() - began_s
    say(f"{filled.stories:,} stories told in {log.count:,} appends, in {spent_s:.1f} s")
    return filled


def _report(
    window: Window, verdict: Verdict, memory: Mapping[str, float], answered: int
) -> dict[str, object]:
    size = window.size
    ours = dict(window.cpu_s)
    machine_s = ours.pop("machine")
    late = {"all": verdict.all, "outside": verdict.outside, "inside": verdict.inside}
    return {
        "armed_per_s": round(size.stories * TIMERS / window.armed_s),
        "fired": verdict.breached,
        "lost": verdict.lost,
        "early": verdict.early,
        "duplicated": verdict.duplicated,
        "late_p50_s": verdict.outside.p50_s,
        "late_p99_s": verdict.outside.p99_s,
        "rebuild_s": round(window.rebuild_s, 2),
        "rss_mb": memory["sla"],
        "timers": size.stories * TIMERS,
        "stories": size.stories,
        "due": size.stories,
        "window_s": round(size.window_s, 1),
        "replicas": size.replicas,
        "lease_s": size.lease_s,
        "late": {
            name: {"timers": of.count, "p50_s": of.p50_s, "p99_s": of.p99_s, "max_s": of.max_s}
            for name, of in late.items()
        },
        "faults": [
            {
                "what": fault.what,
                "at_s": round((fault.at - window.begins).total_seconds(), 2),
                "until_s": round((fault.until - window.begins).total_seconds(), 2),
            }
            for fault in window.faults
        ],
        "commands": answered,
        "cpu_s": ours,
        "others_cores": round((machine_s - sum(ours.values())) / window.ran_s, 2),
        "armed_by_s": round(window.armed_by_s, 1),
        "memory_mb": memory,
        "must": {
            "lost": 0,
            "early": 0,
            "duplicated": 0,
            "late_p99_s": LATE_MAX_S,
            "rebuild_s": REBUILD_MAX_S,
        },
    }


def told(report: Mapping[str, Any]) -> str:
    """Write the report as lines of text."""
    must, durable_run = report["must"], report["durable"]
    lines = [
        (
            f"{report['timers']:,} timers of {report['stories']:,} stories, {report['due']:,} due "
            f"within {report['window_s']:g} s, {report['replicas']} replicas"
        ),
        *(
            f"  {fault['at_s']:6.1f} s  {fault['what']} (on until {fault['until_s']:.1f} s)"
            for fault in report["faults"]
        ),
        (
            f"planned {report['armed_per_s']:,} a second ({report['armed_ratio']:.2f} of plain "
            f"ZADDs); again after the wipe in {report['rebuild_s']:.1f} s (must be under "
            f"{must['rebuild_s']:g})"
        ),
        (
            f"fired {report['fired']:,}; lost {report['lost']}, early {report['early']}, "
            f"duplicated {report['duplicated']} (must be 0)"
        ),
        *(
            f"  late, {name:8} {one['timers']:>9,} timers: p50 {one['p50_s']:.2f} s, p99 "
            f"{one['p99_s']:.2f} s, longest {one['max_s']:.2f} s"
            for name, one in report["late"].items()
        ),
        f"  (p99 outside the faults must be under {must['late_p99_s']:g} s)",
        (
            "processor seconds in that time: "
            + ", ".join(f"{name} {used:,.1f}" for name, used in report["cpu_s"].items())
            + f"; other programs used {report['others_cores']:g} cores"
        ),
        (
            "megabytes at most: "
            + ", ".join(f"{name} {size:,.0f}" for name, size in report["memory_mb"].items())
        ),
    ]
    if durable_run:
        lines.append(
            f"over the real log: fired {durable_run['fired']:,}; lost {durable_run['lost']}, early "
            f"{durable_run['early']}, duplicated {durable_run['duplicated']}; late p99 "
            f"{durable_run['late_p99_s']:.2f} s outside the faults"
        )
    return "\n".join([*lines, ""])
