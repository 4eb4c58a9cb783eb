"""How long it takes to know everything again: all open stories, beside many that have ended.

A real log is filled, then a process starts that knows nothing, with an empty store. Measured is
the time from its start until views answer, the engine has every case and every timer is planned.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.children import cpu_s, module
from loadtests.fleet import configure
from loadtests.rebuild_fill import TENANT, document, fill, quick_nats
from toldonce.runtime.embedded import Embedded, embedded

MUST_S = 20.0
GOAL_S = 10.0
WITHIN_S = 600.0
STOP_S = 30.0

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How many stories, open and ended."""

    stories: int = 100_000
    closed: int = 1_000_000


async def rebuild(size: Size, say: Say, *, profile: Path | None = None) -> dict[str, object]:
    """Fill, start, measure; returns the report. Raises Unavailable with the sentence why not."""
    with tempfile.TemporaryDirectory(prefix="toldonce-load-", ignore_cleanup_errors=True) as name:
        data = Path(name)
        began_s = time.monotonic()
        async with quick_nats(data) as url:
            filled = await fill(url, size.stories, size.closed, say)
        fill_s = round(time.monotonic() - began_s, 1)
        say(f"filled in {fill_s:g} s; starting the servers again, each write synced")
        async with embedded(data) as servers:
            await configure(servers.nats_url, TENANT, document(size.stories))
            options = {
                "data": data,
                "nats": servers.nats_url,
                "monitor": servers.monitor_url,
                "store": servers.store_url,
                "last": filled.last,
                "stories": filled.stories,
                "waiting": filled.waiting,
            }
            if profile is not None:
                options["profile"] = profile
            said, used = await _measured(servers, data, options)
    return {
        "rebuild_s": said["parts_s"]["all"],
        "peak_rss_mb": said["peak_rss_mb"],
        "stalled_s": said["stalled_s"],
        "must_s": MUST_S,
        "goal_s": GOAL_S,
        "stories": filled.stories,
        "closed": filled.closed,
        "fill_s": fill_s,
        "parts_s": said["parts_s"],
        "cpu_s": {"process": said["cpu_s"], **used},
        "cores": os.cpu_count(),
    }


def told(report: Mapping[str, Any]) -> str:
    """Write the report as lines of text."""
    parts = sorted(report["parts_s"].items(), key=lambda part: float(part[1]))
    lines = [
        f"{report['stories']:,} open stories beside {report['closed']:,} that have ended",
        *(f"  {seconds:8.2f} s  {name}" for name, seconds in parts),
        (
            f"rebuilt in {report['rebuild_s']:.2f} s (must be under {MUST_S:g}, goal {GOAL_S:g}), "
            f"{report['peak_rss_mb']:,.0f} MB, longest stall {report['stalled_s']:.2f} s"
        ),
        "processor seconds: " + ", ".join(f"{n} {s:g}" for n, s in report["cpu_s"].items()),
    ]
    return "\n".join([*lines, ""])


async def _measured(
    servers: Embedded, data: Path, options: dict[str, object]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Run the process until it knows everything: what it said, and what the servers used."""
    done = data / "rebuilt.json"
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    pids = {"nats": servers.nats.pid, "valkey": servers.valkey.pid}
    before = {name: cpu_s(pid) for name, pid in pids.items() if pid is not None}
    words += ("--began", str(time.time()))
    child = module(
        "rebuild", "loadtests.rebuild_house", words, folder=data, ready=done, ready_s=WITHIN_S
    )
    try:
        await child.start()
        after = {name: cpu_s(pid) for name, pid in pids.items() if pid is not None}
    finally:
        await child.stop(grace_s=STOP_S)
    used = {
        name: round(now - was, 2)
        for name, was in before.items()
        if was is not None and (now := after[name]) is not None
    }
    return json.loads(done.read_text()), used
