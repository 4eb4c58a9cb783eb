"""Two channels served differently, over real NATS, Valkey and gRPC: the gap shows, and stays.

E-mail and chat begin alike; on chat all are answered at once, on e-mail they wait until the target
has passed. What `sla` counts of that outlives both of its processes.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.test_sla import House, running
from tests.servers import Embedded, eventually, servers
from toldonce.api.sla.v1 import sla_pb2
from toldonce.client.channels import ChannelsSeen, StandingSeen, channels
from toldonce.kernel.errors import Denied, Invalid
from toldonce.kernel.principal import Role

pytestmark = pytest.mark.timeout(120)

EACH = 12
TARGET_S = 2
POLICY = f"""
version: 1
languages: [nl]
skills: [orders]
channels:
  - {{name: chat, kind: chat, cost: 1, reply: true, queue: orders}}
  - {{name: email, kind: email, cost: 1, reply: true, queue: orders}}
topics: [{{name: order, queue: orders, words: {{nl: [pakket]}}}}]
queues: [{{name: orders, sla: quick, dispositions: [resolved]}}]
agents: [{{name: anna, skills: {{orders: 3}}, languages: {{nl: 5}}, capacity_units: 4}}]
sla: [{{name: quick, targets: {{first_response_s: {TARGET_S}}}}}]
"""


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Embedded]:
    async with servers(tmp_path) as pair:
        yield pair


async def test_channel_that_is_served_worse_shows_its_gap_through_a_restart(
    pair: Embedded,
) -> None:
    async with running(pair, POLICY) as house:
        chats, mails = await asyncio.gather(_told(house, "chat", 0), _told(house, "email", EACH))
        for case in chats:
            await house.owned(case)
            await house.answered(case)
        await asyncio.sleep(TARGET_S)  # real servers, real time: the target has to pass
        for case in mails:
            await house.owned(case)
            await house.answered(case)
        found = await _counted(house, 2 * EACH)
        _gap_shows(found)
        page = next(
            text
            for text in (app.meter.page().decode() for app in house.apps)
            if "toldonce_channel_share_gap_ratio{" in text
        )
        gap = 'toldonce_channel_share_gap_ratio{channel="email",figure="service_level"'
        assert f'{gap},tenant="demo",window="24h"}} -0.5' in page
    async with running(pair, POLICY) as house:
        _gap_shows(await _counted(house, 2 * EACH))
        late = (await _told(house, "email", 2 * EACH))[0]
        await house.owned(late)
        await house.answered(late)
        found = await _counted(house, 2 * EACH + 1)
        assert _of(found, "service_level", "email").count == EACH + 1


async def test_only_those_who_lead_may_ask_and_only_for_windows_there_are(pair: Embedded) -> None:
    async with running(pair, POLICY) as house:
        async with house.client(house.sla, Role.AGENT) as agent:
            with pytest.raises(Denied):
                await channels(agent)
        async with house.client(house.sla) as client:
            (table,) = (await channels(client, "WEEK")).tables
            assert (table.window, table.standings) == ("WEEK", ())
            request = sla_pb2.GetChannelGapRequest()
            request.MergeFromString(b"\x08\x63")  # window 99
            with pytest.raises(Invalid):
                await client.sla.GetChannelGap(request)


async def _told(house: House, channel: str, first: int) -> list[str]:
    numbers = range(first, first + EACH)
    return [await house.told(number, channel=channel) for number in numbers]


async def _counted(house: House, answers: int) -> ChannelsSeen:
    """Wait until so many answers are counted; what then is told."""
    found: ChannelsSeen | None = None
    async with house.client(house.sla) as client:

        async def there() -> bool:
            nonlocal found
            found = await channels(client)
            day = found.tables[0].standings
            return answers == sum(one.count for one in day if one.figure == "first_response")

        await eventually(there, within_s=40, poll_s=0.2)
    assert found is not None
    return found


def _gap_shows(found: ChannelsSeen) -> None:
    chat, email = (_of(found, "service_level", name) for name in ("chat", "email"))
    assert (chat.value, email.value, chat.mean, email.mean) == (1.0, 0.0, 0.5, 0.5)
    assert (chat.gap, email.gap) == (0.5, -0.5)
    assert chat.sure
    assert email.sure
    waits = [_of(found, "first_response", name).value or 0.0 for name in ("chat", "email")]
    assert waits[0] < TARGET_S <= waits[1]


def _of(found: ChannelsSeen, figure: str, channel: str) -> StandingSeen:
    (one,) = [
        standing
        for standing in found.tables[0].standings
        if (standing.figure, standing.channel) == (figure, channel)
    ]
    return one
