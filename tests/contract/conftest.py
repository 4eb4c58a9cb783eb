"""One pair of real servers for the whole session; every scenario runs against real and fake."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers import Cluster, Embedded, cluster, servers
from toldonce.runtime.nats_link import Link


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded]:
    data: Path = tmp_path_factory.mktemp("servers")
    async with servers(data) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def link(pair: Embedded) -> AsyncIterator[Link]:
    connection = await Link.connect(pair.nats_url, name="contract")
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running
