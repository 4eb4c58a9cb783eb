"""On a real nats-server: the log is scrubbed to its end, and a loss inside it stops appends."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cli import run
from tests.scribe import Scribe, answered, case_of, offered, opened
from tests.servers import Embedded, eventually, servers
from tests.tellers import RULES, TENANT, customer, secrets
from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.kernel.story.events import OfferExpired
from toldonce.ownership.core import Rules
from toldonce.ownership.handler import Context, Ownership, Stories, Writer
from toldonce.ownership.handler.quarantine import Quarantine
from toldonce.ownership.handler.reconciling import Reconciling
from toldonce.ownership.reconciler import Reconciler
from toldonce.ownership.scrubber import Scrubber
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import log_of
from toldonce.runtime.feed import Feed
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.meter import Meter
from toldonce.runtime.names import KEYS, LEASES, OPEN
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import NatsLog, nats_log
from toldonce.runtime.streams import Wants
from toldonce.runtime.table import open_table


@dataclass
class System:
    servers: Embedded
    link: Link
    clock: SystemClock

    def log(self) -> contextlib.AbstractAsyncContextManager[NatsLog]:
        pages = [self.servers.monitor_url]
        return nats_log(self.link, epoch=1, clock=self.clock, monitor_urls=pages)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with servers(tmp_path / "data") as running:
        link = await Link.connect(running.nats_url, name="test")
        try:
            yield System(running, link, SystemClock())
        finally:
            await link.close()


@dataclass
class Process:
    scrubber: Scrubber
    quarantine: Quarantine
    ownership: Ownership


@contextlib.asynccontextmanager
async def mending(system: System, log: NatsLog) -> AsyncIterator[Process]:
    """Run ownership's scrubber and reconciler alone."""
    meter, clock = Meter(), system.clock
    leases = await open_table(system.link, LEASES)
    keys = KeyRing(await open_table(system.link, KEYS), secrets(), clock)
    quarantine = Quarantine(leases, meter)
    stories = Stories(log, quarantine)
    writer = Writer(
        log=log, stories=stories, keys=keys, clock=clock, committed=lambda *_: None, meter=meter
    )

    async def rules(tenant: str) -> Rules:
        assert tenant == TENANT
        return RULES

    ownership = Ownership(
        writer=writer, stories=stories, context=Context(stories, keys), rules=rules
    )
    reconciling = Reconciling(ownership, nudge=lambda *_: None)
    scrubber = Scrubber(
        log,
        leases,
        quarantine=quarantine,
        complete_move=ownership.find,
        complete_forget=reconciling.complete_forget,
        clock=clock,
        meter=meter,
    )
    feed = Feed(log, await open_table(system.link, OPEN), meter=meter)
    reconciler = Reconciler(reconciling, clock=clock, meter=meter, grace_s=0.5)
    feed.subscribe("reconciler", reconciler)
    tasks = [asyncio.create_task(x.run()) for x in (quarantine, scrubber, feed, reconciler)]
    try:
        yield Process(scrubber, quarantine, ownership)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await keys.close()


async def test_scrubber_reads_a_whole_log_and_stops_the_one_story_that_is_broken(
    system: System,
) -> None:
    async with system.log() as log, mending(system, log) as here:
        scribe = Scribe(log, system.clock)
        for number in range(20):
            await scribe.tell(f"c{number}", opened(f"c{number}"))
        told = scribe.told[TENANT, customer("c7")]
        scribe.told[TENANT, customer("c7")] = replace(told, digest=b"x" * 32)
        await scribe.tell("c7", answered("c7"))
        await scribe.tell("c8", answered("c8"))
        await eventually(lambda: here.scrubber.position == scribe.last)
        assert here.quarantine.known == {(TENANT, customer("c7")): 21}
        with pytest.raises(Rejected, match="broken"):
            await here.ownership.find(TENANT, customer("c7"))
        assert (await here.ownership.find(TENANT, customer("c8")))[1].story.messages == 2


async def test_reconciler_ends_an_offer_on_a_log_with_nobody_else_there(system: System) -> None:
    async with system.log() as log, mending(system, log) as here:
        scribe = Scribe(log, system.clock)
        await scribe.tell("a", opened("a"))
        await scribe.tell("a", replace(offered("a"), expires_at=system.clock.now()))

        async def ended() -> bool:
            found = (await here.ownership.find(TENANT, customer("a")))[1].story.case(case_of("a"))
            return found is not None and not found.offers

        await eventually(ended)
        history = await here.ownership.stories.history(TENANT, customer("a"))
        expired = [event for event in history[-1].record.events if isinstance(event, OfferExpired)]
        assert len(expired) == 1
        assert len(history) == 3


@pytest.mark.parametrize(
    ("verb", "request_"),
    [("MSG.DELETE", {"seq": 2}), ("PURGE", {"seq": 2}), ("PURGE", {})],
    ids=["a message deleted", "the oldest purged", "all purged"],
)
async def test_a_loss_inside_the_log_stops_appends_by_itself(
    system: System, monkeypatch: pytest.MonkeyPatch, verb: str, request_: dict[str, int]
) -> None:
    """No setting allows this: whoever takes a message away has gone round the server's own no."""
    strict = Wants.config

    def lax(wants: Wants) -> dict[str, Any]:
        return {**strict(wants), "deny_delete": False, "deny_purge": False}

    monkeypatch.setattr(Wants, "config", lax)
    async with system.log() as log:
        scribe = Scribe(log, system.clock)
        for number in range(3):
            await scribe.tell(f"c{number}", opened(f"c{number}"))
        assert log.halted is None
        await system.link.api(f"STREAM.{verb}.STORIES_1", request_)
        await eventually(lambda: log.halted is not None, within_s=3)
        with pytest.raises(Unavailable):
            await scribe.tell("c4", opened("c4"))
        # nor does it heal: what is lost stays lost
        await asyncio.sleep(2)
        assert log.halted is not None


async def test_a_person_lists_what_is_held_and_lets_it_go(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    who = customer("c7")
    async with log_of(tmp_path) as url:
        link = await Link.connect(url, name="test")
        quarantine = Quarantine(await open_table(link, LEASES), Meter())
        await quarantine.hold((TENANT, who), 21, "BROKEN_CHAIN")
        await link.close()
    listed = await run("quarantine", "--data", tmp_path, "--json")
    held = {"tenant": TENANT, "customer": who, "sequence": 21, "reason": "BROKEN_CHAIN"}
    assert json.loads(listed.out) == {"lifted": "", "held": [held]}
    lifted = await run("quarantine", "--data", tmp_path, "--lift", who)
    assert (lifted.code, lifted.out.splitlines()[-1]) == (0, "No story is held.")
    again = await run("quarantine", "--data", tmp_path, "--lift", who)
    assert again.code == 1
    assert "no story of this customer is held" in again.err
