"""Closed loops of callers, the same for the bare limit and for the house.

So many calls are under way at any time; what is counted is answers that came inside the window.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from loadtests import bare, material
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.calls import UNARY_DEADLINE_S, Courteous, Stream
from toldonce.client.channel import Client
from toldonce.runtime.rpc import from_status

type Call = Callable[[Any], Awaitable[Any]]
type OpenStream = Callable[[AsyncIterator[Any]], Stream]

WARM_UP_S = 0.3
FINISH_S = 10.0


class Window:
    """Counts what ends between WARM_UP_S after its beginning and `seconds` later.

    `count`: inside; `all`: from the beginning to the last one.
    """

    def __init__(self, seconds: float) -> None:
        """Begin now; `begin` begins anew."""
        self.seconds = seconds
        self.count = 0
        self.all = 0
        self.begin()

    def begin(self) -> None:
        """Start the time."""
        self._from_s = asyncio.get_running_loop().time() + WARM_UP_S

    @property
    def over(self) -> bool:
        """Whether nothing need be started any more."""
        return asyncio.get_running_loop().time() >= self._from_s + self.seconds

    def ended(self) -> None:
        """Count one that has ended."""
        self.all += 1
        if self._from_s <= asyncio.get_running_loop().time() < self._from_s + self.seconds:
            self.count += 1

    @property
    def per_s(self) -> float:
        """How many a second."""
        return self.count / self.seconds


def calls_of(client: Client) -> tuple[Call, OpenStream]:
    """Give the house's two ways in: SubmitContact and SubmitContacts."""
    return (
        cast("Call", client.intake.SubmitContact),
        cast("OpenStream", client.intake.SubmitContacts),
    )


def bare_calls_of(client: Client, token: str) -> tuple[Call, OpenStream]:
    """Give the bare server's two, with the same messages and metadata on the client's side."""
    metadata = (("authorization", f"Bearer {token}"),)
    calls = Courteous(client.channel, metadata, deadline_s=UNARY_DEADLINE_S)
    unary = calls.unary_unary(
        bare.UNARY,
        intake_pb2.SubmitContactRequest.SerializeToString,
        types_pb2.Acknowledgement.FromString,
    )
    stream = calls.stream_stream(
        bare.STREAM,
        intake_pb2.SubmitContactsRequest.SerializeToString,
        intake_pb2.SubmitContactsResponse.FromString,
    )
    return unary, stream


async def unary(call: Call, *, concurrency: int, window: Window) -> None:
    """Call one after the other from `concurrency` callers until the window is over."""
    numbers = itertools.count()

    async def caller() -> None:
        while not window.over:
            await call(material.contact(next(numbers), material.PARKED))
            window.ended()

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(caller())


async def streamed(open_stream: OpenStream, *, concurrency: int, window: Window) -> None:
    """Keep `concurrency` contacts under way on one stream until the window is over."""
    room = asyncio.Semaphore(concurrency)

    async def requests() -> AsyncIterator[intake_pb2.SubmitContactsRequest]:
        for number in itertools.count():
            await room.acquire()
            if window.over:
                return
            contact = material.contact(number, material.PARKED)
            yield intake_pb2.SubmitContactsRequest(tag=number, contact=contact)

    async with asyncio.timeout(WARM_UP_S + window.seconds + FINISH_S):
        async for response in open_stream(requests()):
            if response.HasField("error"):
                raise from_status(response.error)
            window.ended()
            room.release()
