"""Core NATS: commands that want an answer, and hints that may be lost.

A request nobody serves is refused at once; one that is not answered in time may have happened. A
server of requests runs a bounded number at a time with a bounded line behind it; what does not fit
is told to come back. Hints carry nothing that matters: whoever needs the truth reads the log.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from nats import errors as nats_errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from toldonce.kernel.errors import Unavailable
from toldonce.runtime.nats_link import Link

log = logging.getLogger("toldonce.bus")

type Handler = Callable[[bytes], Awaitable[bytes]]
type Listener = Callable[[str, bytes], None]

_LINE_FACTOR = 4
_CLOSE_S = 2.0
_REFUSED = "ToldOnce-Unavailable"
_RETRY = "ToldOnce-Retry-S"


class Subscription(Protocol):
    """Something that listens until it is closed."""

    async def close(self) -> None:
        """Stop taking messages; let what runs finish within 2 s. Idempotent."""
        ...


class Bus(Protocol):
    """The network between services."""

    async def publish(self, subject: str, data: bytes) -> None:
        """Send a hint, best effort: lost when disconnected, and nobody is told."""
        ...

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """Ask and wait; raises Unavailable (nobody serves it, or no answer in time)."""
        ...

    async def serve(
        self, subject: str, handler: Handler, *, queue: str, inflight_max: int
    ) -> Subscription:
        """Answer requests, at most `inflight_max` at a time.

        Each is answered by one member of `queue`; with "" every such server gets it, and the first
        answer counts: so one that is paused keeps nobody waiting.
        """
        ...

    async def subscribe(self, subject: str, handler: Listener) -> Subscription:
        """Hear every hint on `subject` (wildcards allowed); `handler` must not block or raise."""
        ...


class NatsBus:
    """`Bus` over a connection to NATS."""

    def __init__(self, link: Link) -> None:
        """Share the connection with whoever else uses it."""
        self._link = link

    async def publish(self, subject: str, data: bytes) -> None:
        """See `Bus.publish`."""
        with contextlib.suppress(nats_errors.Error, OSError):
            await self._link.client.publish(subject, data)

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """See `Bus.request`."""
        try:
            reply = await self._link.ask(subject, data, timeout_s=timeout_s)
        except nats_errors.NoRespondersError as error:
            raise nobody(subject) from error
        except TimeoutError as error:
            raise no_answer(subject, timeout_s) from error
        except (nats_errors.Error, OSError) as error:
            raise Unavailable("NATS is not connected.") from error
        if reply.headers and (sentence := reply.headers.get(_REFUSED)) is not None:
            raise Unavailable(sentence, retry_s=float(reply.headers.get(_RETRY, "1")))
        return reply.data

    async def serve(
        self, subject: str, handler: Handler, *, queue: str, inflight_max: int
    ) -> Subscription:
        """See `Bus.serve`."""
        desk = Desk(handler, inflight_max=inflight_max)

        async def answer(message: Msg) -> None:
            headers: dict[str, str] | None = None
            data = b""
            try:
                data = await desk.answer(message.data)
            except Unavailable as error:
                headers = {_REFUSED: str(error), _RETRY: f"{error.retry_s:g}"}
            if message.reply:
                with contextlib.suppress(nats_errors.Error, OSError):
                    await self._link.client.publish(message.reply, data, headers=headers)

        async def take(message: Msg) -> None:
            desk.spawn(answer(message))

        subscription = await self._subscribe(subject, queue, take)
        return _Closing(subscription, desk)

    async def subscribe(self, subject: str, handler: Listener) -> Subscription:
        """See `Bus.subscribe`."""

        async def hear(message: Msg) -> None:
            try:
                handler(message.subject, message.data)
            except Exception:
                log.exception("hint handler failed")

        return _Closing(await self._subscribe(subject, "", hear), None)

    async def _subscribe(
        self, subject: str, queue: str, call: Callable[[Msg], Awaitable[None]]
    ) -> NatsSubscription:
        try:
            return await self._link.client.subscribe(subject, queue=queue, cb=call)
        except (nats_errors.Error, OSError) as error:
            raise Unavailable("NATS is not connected.") from error


class Desk:
    """Runs a handler for many askers: some at a time, a bounded line behind, the rest refused."""

    def __init__(self, handler: Handler, *, inflight_max: int) -> None:
        """Take up to `inflight_max` at a time and four times as many in the line."""
        self._handler = handler
        self._free = asyncio.Semaphore(inflight_max)
        self._present_max = inflight_max * (1 + _LINE_FACTOR)
        self._present = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, data: bytes) -> bytes:
        """Run the handler when its turn comes; raises Unavailable when it cannot or it fails."""
        if self._present >= self._present_max:
            raise Unavailable("Too many requests are waiting here.", retry_s=0.2)
        self._present += 1
        try:
            async with self._free:
                return await self._handler(data)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("request handler failed")
            raise Unavailable("The request could not be answered.") from error
        finally:
            self._present -= 1

    def spawn(self, work: Awaitable[None]) -> None:
        """Let `work` run beside the others."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait up to 2 s for what runs, then cancel it."""
        tasks = tuple(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class _Closing:
    """A NATS subscription and what it has started."""

    def __init__(self, subscription: NatsSubscription, desk: Desk | None) -> None:
        self._subscription = subscription
        self._desk = desk

    async def close(self) -> None:
        with contextlib.suppress(nats_errors.Error, OSError):
            await self._subscription.unsubscribe()
        if self._desk is not None:
            await self._desk.close()


def nobody(subject: str) -> Unavailable:
    """Return what a request hears when nobody serves the subject: nothing was done."""
    return Unavailable(f"Nobody answers on {subject} at the moment.", retry_s=0.5)


def no_answer(subject: str, timeout_s: float) -> Unavailable:
    """Return what a request hears when no answer came: it may or may not have been done."""
    return Unavailable(f"No answer on {subject} within {timeout_s:g} s.", retry_s=0.5)
