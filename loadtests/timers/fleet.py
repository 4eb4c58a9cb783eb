"""The replicas of sla as processes of their own: started, killed, weighed; and their store."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.children import cpu_s, machine_cpu_s, module
from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.child import Child
from toldonce.runtime.store import RedisStore

READY_S = 120.0
POLL_S = 0.05
BARE_S = 2.0
BARE_TOGETHER = 2_560  # as many as a script plans of 256 stories
_KIB = 1024


@dataclass(slots=True)
class Replica:
    """One replica, over all its lives; `peak_kb` is the most memory one of them had."""

    child: Child
    ready: Path
    peak_kb: int = 0
    before_s: float = 0.0  # processor seconds of the lives that are over

    def weigh(self) -> None:
        """Look how much memory it has had."""
        self.peak_kb = max(self.peak_kb, peak_kb(self.child.pid))

    def used_s(self) -> float:
        """Say how many processor seconds it has used."""
        return self.before_s + used_s(self.child.pid)

    async def kill(self) -> None:
        """End it as a crash would."""
        self.weigh()
        self.before_s = self.used_s()
        self.ready.unlink(missing_ok=True)
        await self.child.kill()


@dataclass(slots=True)
class Fleet:
    """Some replicas, told where the desk and the store are."""

    folder: Path
    options: Sequence[str]
    profile: Path | None = None
    replicas: list[Replica] = field(default_factory=list)

    def add(self, name: str) -> Replica:
        """Describe one more; it is to be started."""
        ready = self.folder / f"{name}.ready"
        words = [*self.options, "--ready", str(ready)]
        if self.profile is not None:
            words += ["--profile", str(self.profile / f"{name}.pstats")]
        home = "loadtests.timers.replica"
        child = module(name, home, words, folder=self.folder, ready=ready, ready_s=READY_S)
        replica = Replica(child, ready)
        self.replicas.append(replica)
        return replica

    def cpu_s(self, store: int | None) -> dict[str, float]:
        """Say how many processor seconds each part has used, the replicas together."""
        return {
            "handler": used_s(os.getpid()),
            "sla": sum(replica.used_s() for replica in self.replicas),
            "valkey": used_s(store),
            "machine": machine_cpu_s() or 0.0,
        }

    def check(self) -> None:
        """Raise Unavailable when one has ended by itself."""
        for replica in self.replicas:
            failed = replica.child.failed
            if failed is not None and failed.done():
                raise Unavailable(failed.result())

    async def stop(self) -> None:
        """End them all."""
        for replica in self.replicas:
            replica.weigh()
        await asyncio.gather(*(replica.child.stop() for replica in self.replicas))


class Planned:
    """What waits in the store, seen from beside."""

    def __init__(self, store: RedisStore) -> None:
        """Ask `store`."""
        self._store = store

    async def timers(self) -> int:
        """Count the timers that wait."""
        return int(await self._store.call("ZCARD", names.redis_timers("due")))

    async def stories(self) -> int:
        """Count the stories that are planned."""
        return int(await self._store.call("HLEN", names.redis_timers("stories")))

    async def settled(self, left: int, *, within_s: float) -> None:
        """Wait until no more than `left` timers wait: what was claimed twice has been told twice.

        So nothing can be recorded twice after that. Waits no longer than `within_s`.
        """
        until_s = time.monotonic() + within_s
        while await self.timers() > left and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)  # nobody tells

    async def wipe(self) -> None:
        """Wipe the store."""
        await self._store.flushall()


async def bare_zadds_per_s(store: RedisStore) -> float:
    """Measure plain ZADDs of names as long as a timer's, by one client; leaves nothing behind."""
    story, added = "demo." + "x" * 26, 0
    began_s = time.monotonic()
    while time.monotonic() - began_s < BARE_S:
        words = [
            word
            for number in range(added, added + BARE_TOGETHER)
            for word in (1_700_000_000_000_000 + number, f"{story}.{number:026}")
        ]
        await store.call("ZADD", "bare", *words)
        added += BARE_TOGETHER
    spent_s = time.monotonic() - began_s
    await store.flushall()
    return added / spent_s


def used_s(pid: int | None) -> float:
    """Say how many processor seconds a process has used; 0 where nobody tells."""
    return 0.0 if pid is None else cpu_s(pid) or 0.0


def peak_kb(pid: int | None) -> int:
    """Say how much memory a process has had at most; 0 where nobody tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) if found else 0


def megabytes(kilobytes: float) -> float:
    """Write kilobytes as megabytes."""
    return round(kilobytes / _KIB, 1)
