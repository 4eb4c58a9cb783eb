"""The bus keeps its word, real and fake alike."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import nats
import pytest
import pytest_asyncio

from tests.servers import eventually
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.bus import Bus, NatsBus
from toldonce.runtime.nats_link import Link
from toldonce.runtime.testing.bus import FakeBus

pytestmark = pytest.mark.asyncio(loop_scope="session")

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["nats", "fake"])
async def bus(request: pytest.FixtureRequest, link: Link) -> AsyncIterator[Bus]:
    await eventually(lambda: _answers(link))  # it was idle while other files ran
    yield NatsBus(link) if request.param == "nats" else FakeBus()


async def _answers(link: Link) -> bool:
    try:
        await link.client.flush(1)
    except (nats.errors.Error, OSError, TimeoutError):
        return False
    return link.connected


@pytest.fixture
def subject() -> str:
    return f"cmd.t{next(_numbers)}"


async def _echo(data: bytes) -> bytes:
    return b"heard " + data


async def test_a_request_is_answered_by_one_member_of_the_queue(bus: Bus, subject: str) -> None:
    served = [0, 0]

    def member(number: int):
        async def handler(data: bytes) -> bytes:
            served[number] += 1
            return await _echo(data)

        return handler

    members = [
        await bus.serve(subject, member(number), queue="q", inflight_max=4) for number in range(2)
    ]
    for _ in range(40):
        assert await bus.request(subject, b"hello", timeout_s=2) == b"heard hello"
    for one in members:
        await one.close()
    assert sum(served) == 40
    assert all(served)


async def test_a_request_to_servers_without_a_queue_is_answered_by_whoever_does(
    bus: Bus, subject: str
) -> None:
    asked = 0

    async def paused(_data: bytes) -> bytes:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    silent = await bus.serve(subject, paused, queue="", inflight_max=8)
    able = await bus.serve(subject, _echo, queue="", inflight_max=8)
    for _ in range(6):
        assert await bus.request(subject, b"hello", timeout_s=2) == b"heard hello"
    await eventually(lambda: asked == 6)
    await able.close()
    async with asyncio.timeout(5):
        await silent.close()


async def test_a_request_nobody_serves_is_refused_at_once(bus: Bus, subject: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match="Nobody answers"):
        await bus.request(subject, b"hello", timeout_s=5)
    assert time.monotonic() - started < 1


async def test_a_request_not_answered_in_time_is_given_up(bus: Bus, subject: str) -> None:
    async def never(data: bytes) -> bytes:
        await asyncio.Event().wait()
        return data

    server = await bus.serve(subject, never, queue="q", inflight_max=4)
    with pytest.raises(Unavailable, match=r"within 0\.05 s"):
        await bus.request(subject, b"hello", timeout_s=0.05)
    closing = asyncio.create_task(server.close())
    async with asyncio.timeout(5):
        await closing


async def test_a_server_runs_a_bounded_number_at_a_time_and_turns_the_rest_away(
    bus: Bus, subject: str
) -> None:
    going, running, most = asyncio.Event(), 0, 0

    async def slow(data: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await going.wait()
        running -= 1
        return data

    server = await bus.serve(subject, slow, queue="q", inflight_max=2)
    asking = [
        asyncio.create_task(bus.request(subject, b"%d" % number, timeout_s=5))
        for number in range(13)
    ]
    await eventually(lambda: sum(one.done() for one in asking) == 3)
    going.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    await server.close()
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert most == 2
    assert len(refused) == 3
    assert "Too many requests" in str(refused[0])
    assert refused[0].retry_s == pytest.approx(0.2)


async def test_a_handler_that_fails_answers_that_it_could_not(bus: Bus, subject: str) -> None:
    async def broken(data: bytes) -> bytes:
        raise ZeroDivisionError(data)

    async def busy(data: bytes) -> bytes:
        raise Unavailable("Come back later.", retry_s=7)

    server = await bus.serve(subject, broken, queue="q", inflight_max=2)
    other = await bus.serve(f"{subject}.busy", busy, queue="q", inflight_max=2)
    with pytest.raises(Unavailable, match="could not be answered"):
        await bus.request(subject, b"hello", timeout_s=2)
    with pytest.raises(Unavailable, match="Come back later") as caught:
        await bus.request(f"{subject}.busy", b"hello", timeout_s=2)
    assert caught.value.retry_s == 7
    await server.close()
    await other.close()


async def test_a_closed_server_answers_no_more(bus: Bus, subject: str) -> None:
    server = await bus.serve(subject, _echo, queue="q", inflight_max=2)
    await bus.request(subject, b"hello", timeout_s=2)
    await server.close()
    await server.close()
    with pytest.raises(Unavailable):
        await bus.request(subject, b"hello", timeout_s=0.2)


async def test_every_listener_hears_a_hint_in_order_and_by_pattern(bus: Bus, subject: str) -> None:
    one: list[tuple[str, bytes]] = []
    all_: list[tuple[str, bytes]] = []
    first = await bus.subscribe(f"{subject}.a", lambda *hint: one.append(hint))
    second = await bus.subscribe(f"{subject}.*", lambda *hint: all_.append(hint))
    for number in range(20):
        await bus.publish(f"{subject}.a", b"%d" % number)
    await bus.publish(f"{subject}.b", b"b")
    await eventually(lambda: len(all_) == 21)
    assert one == [(f"{subject}.a", b"%d" % number) for number in range(20)]
    assert all_ == [*one, (f"{subject}.b", b"b")]
    await first.close()
    await second.close()
    await bus.publish(f"{subject}.a", b"nobody hears")


async def test_a_listener_that_fails_goes_on_hearing(bus: Bus, subject: str) -> None:
    heard: list[bytes] = []

    def listen(where: str, data: bytes) -> None:
        heard.append(data)
        raise ZeroDivisionError(where)

    ear = await bus.subscribe(subject, listen)
    for number in range(3):
        await bus.publish(subject, b"%d" % number)
    await eventually(lambda: heard == [b"0", b"1", b"2"])
    await ear.close()
