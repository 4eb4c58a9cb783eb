"""A real house for each test module, and a company of its own for each test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.shop import DOCUMENT, HASTY, Shop, opened, tenant_name
from toldonce.cli.house import House, house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Both servers and every service, on free ports; lives as long as its module's tests."""
    data = tmp_path_factory.mktemp("house")
    async with house(data, document=DOCUMENT, metrics_port=None) as up:
        yield up


@pytest_asyncio.fixture(loop_scope="module")
async def shop(running: House) -> AsyncIterator[Shop]:
    """A company nobody else is in."""
    async with opened(running, tenant_name()) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def hasty(running: House) -> AsyncIterator[Shop]:
    """A company with little patience."""
    async with opened(running, tenant_name(), HASTY) as found:
        yield found
