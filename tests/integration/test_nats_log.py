"""The log on a real nats-server: restarts, wrong settings, lost data, a clock that is off."""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Embedded, eventually, servers
from toldonce.kernel.errors import Exhausted, Unavailable
from toldonce.runtime import monitor
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.log import Committed, Outcome, Stored
from toldonce.runtime.names import AGENTS
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import NatsLog, nats_log
from toldonce.runtime.table import Row, open_table

_numbers = itertools.count(1)
_SUBJECT = "story.1.3.acme.a"


def _fence() -> bytes:
    return b"fence"


class SkewedClock(SystemClock):
    """A clock that can be set wrong."""

    skew_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.skew_s)


@dataclass
class System:
    servers: Embedded
    link: Link
    clock: SkewedClock

    @asynccontextmanager
    async def log(self, **settings: Any) -> AsyncIterator[NatsLog]:
        urls = settings.pop("monitor_urls", [self.servers.monitor_url])
        async with nats_log(
            self.link, epoch=1, clock=self.clock, monitor_urls=urls, **settings
        ) as log:
            yield log

    async def restart(self, before: Path | None = None) -> None:
        """Kill the server and start it, on the data it had or on an older copy of it."""
        generation = self.link.generation
        await self.servers.nats.kill()
        if before is not None:
            data = self.servers.nats.log.parent / "jetstream"
            shutil.rmtree(data)
            shutil.copytree(before, data)
        await self.servers.nats.start()
        await eventually(lambda: self.link.generation > generation)

    async def copy_of_the_data(self, where: Path) -> Path:
        await self.servers.nats.kill()
        shutil.copytree(self.servers.nats.log.parent / "jetstream", where)
        await self.servers.nats.start()
        await eventually(lambda: self.link.connected)
        return where


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(servers(tmp_path / "data"))
        link = await Link.connect(running.nats_url, name="test")
        stack.push_async_callback(link.close)
        yield System(running, link, SkewedClock())


async def _append(log: NatsLog, expected: int, payload: bytes = b"x") -> Outcome:
    mine = f"{next(_numbers):064x}"
    return await log.append(_SUBJECT, payload, expected=expected, message_id=mine, fence=_fence)


async def _sequence(log: NatsLog, expected: int, payload: bytes = b"x") -> int:
    outcome = await _append(log, expected, payload)
    assert isinstance(outcome, Committed)
    return outcome.sequence


async def test_a_tail_and_a_writer_go_on_over_a_crash_and_nothing_is_lost_or_doubled(
    system: System,
) -> None:
    async with system.log() as log:
        seen: list[Stored] = []

        async def follow() -> None:
            async with aclosing(log.tail(after=0)) as tail:
                async for batch in tail:
                    seen.extend(batch)

        following = asyncio.create_task(follow())
        expected, told, crash = 0, [], None
        for number in range(400):
            if number in {100, 250}:
                crash = asyncio.create_task(system.restart())
            mine, tries = f"{next(_numbers):064x}", 0
            while True:
                tries += 1
                assert tries < 50
                try:
                    outcome = await log.append(
                        _SUBJECT,
                        b"%d" % number,
                        expected=expected,
                        message_id=mine,
                        fence=_fence,
                    )
                except Unavailable:
                    await asyncio.sleep(0.05)
                    continue
                if isinstance(outcome, Committed):
                    expected = outcome.sequence
                    told.append(mine)
                    break
                expected = (await log.read(_SUBJECT))[-1].sequence
            if crash is not None and number in {110, 260}:
                await crash
        await eventually(lambda: bool(seen) and seen[-1].sequence == expected)
        following.cancel()
        assert [stored.sequence for stored in seen] == list(range(1, expected + 1))
        written = [stored.message_id for stored in seen if stored.payload != b"fence"]
        assert written == told
        assert not log.settled
        assert log.halted is None


async def test_a_watcher_of_a_table_goes_on_over_a_crash(system: System) -> None:
    table = await open_table(system.link, AGENTS)
    await table.put("agents.acme.ann", b"1", expected=0)
    async with asyncio.timeout(15), aclosing(table.watch(after=0)) as changes:
        assert await anext(changes) == [Row("agents.acme.ann", b"1", 1)]
        await system.restart()
        assert await table.put("agents.acme.ann", b"2", expected=1) == 2
        assert await anext(changes) == [Row("agents.acme.ann", b"2", 2)]


async def test_a_log_whose_server_is_away_says_that_nothing_was_written(system: System) -> None:
    async with system.log() as log:
        await system.servers.nats.kill()
        await eventually(lambda: not system.link.connected)
        async with asyncio.timeout(4):
            with pytest.raises(Unavailable, match="nothing was written"):
                await _append(log, 0)
        await system.servers.nats.start()
        await eventually(lambda: system.link.connected)
        assert await _sequence(log, 0) == 1


async def test_a_server_that_acknowledges_before_it_has_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lax = "listen: '127.0.0.1:{port}'\nhttp: '127.0.0.1:{monitor_port}'\n"
    lax += "jetstream {{store_dir: js}}\n"
    monkeypatch.setattr("toldonce.runtime.embedded._NATS_CONFIG", lax)
    async with servers(tmp_path) as running:
        link = await Link.connect(running.nats_url, name="test")
        system = System(running, link, SkewedClock())
        with pytest.raises(Unavailable, match="sync_interval: always"):
            async with system.log():
                pass
        await link.close()


async def test_a_node_that_cannot_be_asked_stops_the_start(system: System) -> None:
    with pytest.raises(Unavailable, match="does not answer its monitoring page"):
        async with system.log(monitor_urls=[system.servers.monitor_url, "http://127.0.0.1:9"]):
            pass
    with pytest.raises(Unavailable, match="No monitoring address"):
        async with system.log(monitor_urls=[]):
            pass


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("allow_direct", True),
        ("deny_purge", False),
        ("discard", "old"),
        ("max_age", 3_600_000_000_000),
        ("allow_rollup_hdrs", True),
        ("storage", "memory"),
        ("compression", "s2"),
        ("duplicate_window", 1_000_000_000),
        ("max_msg_size", -1),
        ("subjects", ["story.>"]),
        ("allow_msg_ttl", True),
    ],
)
async def test_a_stream_with_one_setting_wrong_is_refused_by_name(
    system: System, setting: str, value: object
) -> None:
    async with system.log() as log:
        assert log.halted is None
    config = (await system.link.api("STREAM.INFO.STORIES_1"))["config"]
    await system.link.api("STREAM.DELETE.STORIES_1")
    changed = {**config, setting: value}
    if setting == "allow_rollup_hdrs":
        changed["deny_purge"] = False
    await system.link.api("STREAM.CREATE.STORIES_1", changed)
    with pytest.raises(Unavailable, match=f"{setting} is"):
        async with system.log():
            pass


async def test_a_setting_changed_while_running_pauses_appends_until_it_is_right_again(
    system: System,
) -> None:
    async with system.log() as log:
        config = (await system.link.api("STREAM.INFO.STORIES_1"))["config"]
        await system.link.api("STREAM.UPDATE.STORIES_1", {**config, "allow_direct": True})
        await log.check()
        assert "allow_direct is True, must be False" in (log.halted or "")
        with pytest.raises(Unavailable, match="allow_direct"):
            await _append(log, 0)
        await system.link.api("STREAM.UPDATE.STORIES_1", config)
        await log.check()
        assert log.halted is None
        await _sequence(log, 0)


async def test_a_log_that_went_back_halts_for_good(system: System, tmp_path: Path) -> None:
    async with system.log() as log:
        first = await _sequence(log, 0)
        old = await system.copy_of_the_data(tmp_path / "old")
        second = await _sequence(log, first)
        await system.restart(before=old)
        with pytest.raises(Unavailable):
            await log.append("story.1.3.acme.new", b"x", expected=0, message_id="new", fence=_fence)
        await eventually(lambda: log.halted is not None)
        assert await log.last("story.1.3.acme.new") is None
        assert log.halted == f"The stream STORIES_1 went back from {second} to {first}."
        with pytest.raises(Unavailable, match="went back"):
            await _append(log, first)
        with pytest.raises(Unavailable, match="was read from it before"):
            async with asyncio.timeout(10), aclosing(log.tail(after=second)) as tail:
                await anext(tail)


async def test_a_log_made_anew_halts_for_good(system: System) -> None:
    async with system.log() as log:
        config = (await system.link.api("STREAM.INFO.STORIES_1"))["config"]
        await system.link.api("STREAM.DELETE.STORIES_1")
        await system.link.api("STREAM.CREATE.STORIES_1", config)
        await log.check()
        assert "was made anew" in (log.halted or "")


async def test_a_log_with_a_hole_halts_and_its_tail_does_not_step_over_it(system: System) -> None:
    async with system.log() as log:
        config = (await system.link.api("STREAM.INFO.STORIES_1"))["config"]
        await system.link.api("STREAM.DELETE.STORIES_1")
        await system.link.api("STREAM.CREATE.STORIES_1", {**config, "deny_delete": False})
        for number in range(3):
            await system.link.ask(_SUBJECT, b"%d" % number, timeout_s=2)
        await system.link.api("STREAM.MSG.DELETE.STORIES_1", {"seq": 2})
        async with asyncio.timeout(10), aclosing(log.tail(after=0)) as tail:
            assert [stored.sequence for stored in await anext(tail)] == [1]
            with pytest.raises(Unavailable, match="has a hole after 1"):
                await anext(tail)
        assert "has a hole after 1" in (log.halted or "")


async def test_a_clock_that_is_off_pauses_appends_until_it_is_back(system: System) -> None:
    async with system.log() as log:
        assert abs(log.clock_offset_s) < 0.25
        system.clock.skew_s = 3.0
        await log.check()
        assert 2.9 < log.clock_offset_s < 3.1
        with pytest.raises(Unavailable, match="clock is 3"):
            await _append(log, 0)
        system.clock.skew_s = 0.0
        await log.check()
        await _sequence(log, 0)
    system.clock.skew_s = -1.0
    with pytest.raises(Unavailable, match="behind the log's"):
        async with system.log():
            pass


async def test_a_full_log_refuses_before_anything_is_written_and_can_still_be_read(
    system: System,
) -> None:
    async with system.log(bytes_max=200_000) as log:
        first = await _sequence(log, 0, b"x" * 90_000)
        second = await _sequence(log, first, b"x" * 90_000)
        with pytest.raises(Exhausted, match="maximum bytes exceeded"):
            await _append(log, second, b"x" * 90_000)
        assert [stored.sequence for stored in await log.read(_SUBJECT)] == [first, second]
        assert log.halted is None


async def test_an_append_costs_little_more_than_a_bare_request(system: System) -> None:
    """A guard against a slow path, not a benchmark: medians of alternating rounds."""
    loop = asyncio.get_running_loop()
    ratios = []
    async with system.log() as log:
        expected = 0
        for number in range(9):
            started = loop.time()
            for turn in range(60):
                headers = {
                    "Nats-Msg-Id": f"{next(_numbers):064x}",
                    "Nats-Expected-Last-Subject-Sequence": "0",
                }
                subject = f"story.1.3.acme.bare{number}x{turn}"
                reply = await system.link.client.request(subject, b"x" * 600, headers=headers)
                json.loads(reply.data)
            bare_s = loop.time() - started
            expected = (await log.read(_SUBJECT))[-1].sequence if expected else 0
            started = loop.time()
            for _ in range(60):
                expected = await _sequence(log, expected, b"x" * 600)
            ratios.append((loop.time() - started) / bare_s)
    assert sorted(ratios)[4] < 1.6


@pytest.mark.parametrize("version", ["2.9.10", "2.14.4", "1.15.0", "", "unknown"])
def test_a_server_too_old_is_refused_with_a_sentence(version: str) -> None:
    with pytest.raises(Unavailable, match=r"Install 2\.14\.5 or later"):
        monitor.check_version(version, "here")


@pytest.mark.parametrize("version", ["2.14.5", "2.15.0", "2.16.0-beta.1", "3.0.0"])
def test_a_server_new_enough_is_taken(version: str) -> None:
    monitor.check_version(version, "here")
