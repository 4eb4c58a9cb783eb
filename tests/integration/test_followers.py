"""Feed, heads and views on real servers that go away and come back."""

from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.scribe import Listener, Scribe, World, accepted, closed, opened
from tests.servers import eventually
from tests.tellers import TENANT
from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import embedded
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log
from toldonce.runtime.store import RedisStore
from toldonce.runtime.table import open_table


async def test_everything_is_followed_through_a_restart_of_both_servers(tmp_path: Path) -> None:
    clock, listener = SystemClock(), Listener()
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(AsyncExitStack())
        first = await servers.enter_async_context(embedded(tmp_path))
        link = await Link.connect(first.nats_url, name="followers")
        stack.push_async_callback(link.close)
        log = await stack.enter_async_context(
            nats_log(link, epoch=1, clock=clock, monitor_urls=[first.monitor_url])
        )
        store = RedisStore.open(first.store_url)
        stack.push_async_callback(store.close)
        table = await open_table(link, names.OPEN)
        here = World(log, table, store, clock, Scribe(log, clock), {TENANT})
        feed = await stack.enter_async_context(here.process(listener))
        for number in range(300):
            await here.scribe.tell(f"c{number % 40}", opened(f"c{number % 40}", number))
            if number % 40 < 30:
                await here.scribe.tell(f"c{number % 40}", closed(f"c{number % 40}", number))
        assert await here.listed() == here.scribe.open()

        await servers.aclose()
        with pytest.raises(Unavailable):
            await here.views.cases(TENANT, within_s=0.2)
        await servers.enter_async_context(
            embedded(
                tmp_path,
                nats_port=_port(first.nats_url),
                monitor_port=_port(first.monitor_url),
                store_port=_port(first.store_url),
            )
        )

        async def appended() -> bool:
            try:
                await here.scribe.tell("new", opened("new"))
            except Unavailable:
                return False
            return True

        await eventually(appended, within_s=20, poll_s=0.1)
        await here.scribe.tell("new", accepted("new"))
        await feed.wait_for(here.scribe.last, 20)
        assert listener.sequences() == list(range(1, here.scribe.last + 1))
        assert len(listener.snapshots) == 1
        assert await here.listed(within_s=20) == here.scribe.open()

        async def written() -> bool:
            return await here.place() >= here.scribe.last

        await eventually(written, within_s=20)
        assert await here.rows() == here.scribe.open()


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
