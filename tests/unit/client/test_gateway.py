"""A gateway hands everything in once, over as many streams as that takes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client import Client
from toldonce.client.gateway import Gateway
from toldonce.client.submission import Ack, Address, Submission
from toldonce.kernel.errors import Invalid, Refusal, Unavailable
from toldonce.runtime.rpc import to_status

MADE_AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def submissions(count: int) -> list[Submission]:
    return [
        Submission(
            message_id=f"m{number}",
            made_at=MADE_AT,
            channel="chat",
            text="hello",
            addresses=(Address("EMAIL", f"p{number}@example.org"),),
        )
        for number in range(count)
    ]


class FakeIntake:
    """Takes contacts in; `breaks` of its streams end after three answers, `refuses` by id."""

    def __init__(self, *, breaks: int = 0, refuses: dict[str, list[Refusal]] | None = None) -> None:
        self.taken: dict[str, int] = {}
        self.streams = 0
        self._breaks = breaks
        self._refuses = refuses or {}
        self.unanswered_max = 0

    def SubmitContacts(self) -> "FakeStream":  # noqa: N802 - gRPC names the methods
        self.streams += 1
        return FakeStream(self, break_after=3 if self.streams <= self._breaks else None)

    def answer(self, request: Any) -> intake_pb2.SubmitContactsResponse:
        message_id = request.contact.message_id
        if waiting := self._refuses.get(message_id):
            error = to_status(waiting.pop(0))
            return intake_pb2.SubmitContactsResponse(tag=request.tag, error=error)
        times = self.taken[message_id] = self.taken.get(message_id, 0) + 1
        fixed = types_pb2.FixedAcknowledgement(contact_id=message_id)
        ack = types_pb2.Acknowledgement(fixed=fixed, repeat=times > 1)
        return intake_pb2.SubmitContactsResponse(tag=request.tag, ack=ack)


class FakeStream:
    def __init__(self, intake: FakeIntake, break_after: int | None) -> None:
        self._intake = intake
        self._break_after = break_after
        self._asked: asyncio.Queue[Any] = asyncio.Queue()

    async def write(self, message: Any) -> None:
        await self._asked.put(message)
        self._intake.unanswered_max = max(self._intake.unanswered_max, self._asked.qsize())

    async def done_writing(self) -> None:
        await self._asked.put(None)

    def cancel(self) -> bool:
        return True

    async def __aiter__(self) -> AsyncIterator[Any]:
        answered = 0
        while (request := await self._asked.get()) is not None:
            await asyncio.sleep(0)
            if answered == self._break_after:
                raise Unavailable("gone", retry_s=0.01)
            answered += 1
            yield self._intake.answer(request)


async def hand_in(intake: FakeIntake, count: int, **more: int) -> dict[str, Ack | Refusal]:
    gateway = Gateway(cast("Client", SimpleNamespace(intake=intake)))
    async with asyncio.timeout(20):
        return {
            given.message_id: answer
            async for given, answer in gateway.submit_many(submissions(count), **more)
        }


async def test_a_gateway_hands_in_every_contact_once() -> None:
    intake = FakeIntake()
    got = await hand_in(intake, 50, inflight_max=8)
    assert set(got) == {f"m{number}" for number in range(50)}
    assert set(intake.taken.values()) == {1}
    assert intake.unanswered_max <= 8


async def test_a_gateway_goes_on_after_a_broken_stream() -> None:
    intake = FakeIntake(breaks=2)
    got = await hand_in(intake, 20, inflight_max=4)
    assert len(got) == 20
    assert intake.streams >= 3


async def test_a_gateway_is_told_of_the_one_contact_that_is_refused() -> None:
    intake = FakeIntake(refuses={"m3": [Invalid("text", "too long")]})
    got = await hand_in(intake, 6)
    assert isinstance(got["m3"], Invalid)
    assert sum(isinstance(answer, Ack) for answer in got.values()) == 5


async def test_a_gateway_sends_again_what_could_not_be_answered() -> None:
    refuses: dict[str, list[Refusal]] = {
        f"m{number}": [Unavailable("later", retry_s=0.01)] for number in range(4)
    }
    got = await hand_in(FakeIntake(refuses=refuses), 10, inflight_max=4)
    assert all(isinstance(answer, Ack) for answer in got.values())
    assert len(got) == 10


async def test_a_gateway_gives_up_on_a_server_that_stays_away() -> None:
    class Away(FakeIntake):
        def SubmitContacts(self) -> FakeStream:  # noqa: N802 - gRPC names the methods
            return FakeStream(self, break_after=0)

    with pytest.raises(Unavailable):
        await hand_in(Away(), 3)
