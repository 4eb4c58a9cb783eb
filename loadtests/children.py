"""The measured processes as children of this one: started, listened to, weighed, stopped.

Their folders are temporary and go with them. Processor time is read from /proc, so there is none
to tell outside Linux.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toldonce.runtime.child import Child

ROOT = Path(__file__).parents[1]
IMPORTS = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "services")))}  # of a child
READY_S = 60.0
STOP_S = 15.0
PROFILE_S = 20.0
QUIET_MAX_S = 15.0
_QUIET_STEP_S = 0.2
_QUIET_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Running:
    """A measured process; `said` is what it wrote once it was ready."""

    child: Child
    folder: Path
    said: Mapping[str, Any]

    @property
    def address(self) -> str:
        """Where its gRPC listens."""
        return str(self.said["address"])

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds used so far by each of its processes; empty where it cannot be told."""
        found = {name: cpu_s(int(pid)) for name, pid in self.said["pids"].items()}
        return {name: used for name, used in found.items() if used is not None}

    async def quiet(self) -> float:
        """Wait until it has caught up with what it was given; returns the seconds that took.

        Caught up: its process uses less than a quarter of a core. Waits QUIET_MAX_S at most.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        before = self.cpu_s().get("server", 0.0)
        while loop.time() - began_s < QUIET_MAX_S:
            await asyncio.sleep(_QUIET_STEP_S)
            now = self.cpu_s().get("server", 0.0)
            if now - before < _QUIET_SHARE * _QUIET_STEP_S:
                break
            before = now
        return max(0.0, loop.time() - began_s - _QUIET_STEP_S)

    @asynccontextmanager
    async def profiled(self, number: int) -> AsyncIterator[Path]:
        """Profile it while inside; afterwards the file (the `number`-th one, from 1) is there."""
        path = self.folder / f"profile-{number}.pstats"
        pid = int(self.said["pids"]["server"])
        os.kill(pid, signal.SIGUSR1)
        yield path
        os.kill(pid, signal.SIGUSR1)
        async with asyncio.timeout(PROFILE_S):
            while not path.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(_QUIET_STEP_S)


def module(
    name: str, home: str, words: Sequence[str], *, folder: Path, ready: Path, ready_s: float
) -> Child:
    """Describe a child that is the module `home`; it is ready when the file `ready` is there."""

    async def is_ready() -> bool:
        return ready.exists()  # noqa: ASYNC240 - as quick as any look

    return Child(
        name,
        [sys.executable, "-m", home, *words],
        folder=folder,
        ready=is_ready,
        ready_s=ready_s,
        environment=IMPORTS,
    )


@asynccontextmanager
async def running(kind: str, *options: str) -> AsyncIterator[Running]:
    """Run `loadtests.server` of a kind; raises Unavailable with its last words if it cannot be."""
    with tempfile.TemporaryDirectory(prefix="toldonce-load-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ready = folder / "ready.json"
        words = [kind, "--data", str(folder), *options]
        child = module(kind, "loadtests.server", words, folder=folder, ready=ready, ready_s=READY_S)
        try:
            await child.start()
            yield Running(child, folder, json.loads(ready.read_text()))
        finally:
            await child.stop(grace_s=STOP_S)


def cpu_s(pid: int) -> float | None:
    """Processor seconds a process has used, its own threads included; None if nobody tells."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def machine_cpu_s() -> float | None:
    """Processor seconds that all programs of this machine have used; None if nobody tells."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
