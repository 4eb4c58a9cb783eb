"""The guard looks whether the log is whole each second, and at once when it may have changed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from toldonce.runtime import log_guard
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.log_guard import Guard
from toldonce.runtime.streams import Wants

pytestmark = pytest.mark.looptime
WANTS = Wants(name="STORIES_1", subjects=("story.1.>",))
CREATED = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


class Subscribed:
    async def unsubscribe(self) -> None:
        pass


@dataclass
class Server:
    """A leader of one stream, as `Link` shows it, and who listens for its elections."""

    clock: LoopClock
    state: dict[str, int]
    leader: str = "n1"
    asked: int = 0
    elected: Callable[[Any], Any] | None = None
    reconnected: list[Callable[[], None]] = field(default_factory=list)

    @property
    def client(self) -> "Server":
        return self

    async def api(self, verb: str, request: object = None, *, timeout_s: float = 5) -> Any:
        await asyncio.sleep(0)
        self.asked += 1
        return {
            "config": WANTS.config(),
            "created": CREATED,
            "ts": self.clock.now().isoformat(),
            "state": self.state,
            "cluster": {"leader": self.leader},
        }

    async def subscribe(self, subject: str, *, cb: Callable[[Any], Any]) -> Subscribed:
        assert subject.endswith("LEADER_ELECTED.STORIES_1")
        self.elected = cb
        return Subscribed()

    def on_reconnect(self, call: Callable[[], None]) -> Callable[[], None]:
        self.reconnected.append(call)
        return lambda: self.reconnected.remove(call)


@pytest.fixture(autouse=True)
def nodes_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def well(*_: object, **__: object) -> None:
        pass

    monkeypatch.setattr(log_guard.monitor, "check_nodes", well)


@contextlib.asynccontextmanager
async def guarding() -> AsyncIterator[tuple[Server, Guard]]:
    clock = LoopClock()
    server = Server(clock, {"messages": 3, "first_seq": 1, "last_seq": 3})
    guard = Guard(server, WANTS, clock=clock, monitor_urls=["here"])  # type: ignore[arg-type]
    await guard.start()
    running = asyncio.create_task(guard.run())
    await asyncio.sleep(0.01)
    try:
        yield server, guard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


LOSSES = {
    "deleted": {"messages": 2, "num_deleted": 1},
    "too few": {"messages": 2},
    "begins late": {"messages": 2, "first_seq": 2},
    "purged": {"messages": 0, "first_seq": 4},
    "went back": {"messages": 2, "last_seq": 2},
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
async def test_the_guard_halts_within_two_seconds_of_a_loss_nobody_announced(
    loss: dict[str, int],
) -> None:
    async with guarding() as (server, guard):
        await asyncio.sleep(5.5)
        assert guard.closed is None
        server.state = {**server.state, **loss}
        await asyncio.sleep(1.1)
        assert guard.closed is not None
        await asyncio.sleep(1)
        server.state = {"messages": 3, "first_seq": 1, "last_seq": 3}
        await asyncio.sleep(60)
        assert guard.closed is not None, "a loss is for good"


async def test_the_guard_looks_once_a_second_and_lets_a_whole_log_be() -> None:
    async with guarding() as (server, guard):
        before = server.asked
        await asyncio.sleep(60)
        assert 60 <= server.asked - before <= 90
        assert guard.closed is None
        assert guard.settled


async def test_the_guard_looks_at_once_after_an_election() -> None:
    async with guarding() as (server, guard):
        await asyncio.sleep(12.1)
        server.state = {**server.state, "num_deleted": 1, "messages": 2}
        assert server.elected is not None
        await server.elected(None)
        assert not guard.checked, "nothing is appended before the new leader was looked at"
        await asyncio.sleep(0.01)
        assert guard.closed is not None
        assert not guard.settled


async def test_the_guard_looks_at_once_after_a_reconnect() -> None:
    async with guarding() as (server, guard):
        await asyncio.sleep(12.1)
        server.state = {**server.state, "num_deleted": 1, "messages": 2}
        for call in server.reconnected:
            call()
        assert not guard.checked
        await asyncio.sleep(0.01)
        assert guard.closed is not None
        assert not guard.settled


async def test_the_guard_notices_a_leader_nobody_announced() -> None:
    async with guarding() as (server, guard):
        await asyncio.sleep(12.1)
        assert guard.settled
        server.leader = "n2"
        await asyncio.sleep(1.1)
        assert not guard.settled
        assert guard.closed is None


async def test_the_guard_forgives_one_bad_reading_of_a_leader_that_was_behind() -> None:
    async with guarding() as (server, guard):
        await asyncio.sleep(5.5)
        server.state = {**server.state, "last_seq": 2, "messages": 2}
        await asyncio.sleep(0.6)
        assert guard.closed is not None
        server.state = {**server.state, "last_seq": 3, "messages": 3}
        await asyncio.sleep(0.3)
        assert guard.closed is None
