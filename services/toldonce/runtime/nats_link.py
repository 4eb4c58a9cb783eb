"""One connection to NATS, set up so that nothing is queued, dropped or given up behind our back.

Rules: no buffering while disconnected (a publish that could not leave says so); reconnects for ever
with a random pause; two missed pings of two seconds end a dead connection; a consumer too slow for
its subscription, or a connection closed for good, is fatal and said through `lost`. Never `drain`.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from nats import errors as nats_errors
from nats.aio.client import Server

from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.runtime import monitor, names
from toldonce.runtime.ask import Asker
from toldonce.runtime.nats_wire import client

log = logging.getLogger("toldonce.bus")

_API_S = 2.0
_PING_S = 2
_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 4.0
_CLOSE_S = 2.0


class ApiError(Refusal):
    """JetStream answered a request with an error; `code` is its `err_code`."""

    def __init__(self, code: int, sentence: str) -> None:
        """Keep the number and the words the server gave."""
        super().__init__(sentence)
        self.code = code


class Link:
    """A connection that many parts of a process share. Make one with `Link.connect`."""

    def __init__(self, rng: random.Random) -> None:
        """Use `connect` instead; this alone connects to nothing."""
        self.client = client()
        self.generation = 0
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asker = Asker(self.client)
        self.ask = self._asker.ask
        self._rng = rng
        self._up = asyncio.Event()
        self._on_reconnect: set[Callable[[], None]] = set()
        self._closing = False

    @classmethod
    async def connect(
        cls,
        urls: str | Sequence[str],
        *,
        name: str,
        within_s: float = 5.0,
        options: Mapping[str, Any] | None = None,
        rng: random.Random | None = None,
    ) -> Self:
        """Connect, or raise Unavailable with a sentence.

        `name` is shown in the server's monitoring and is the prefix of this connection's inboxes
        (`names.inbox`); `options` are further options of the client (tls, user_credentials, ...).
        """
        link = cls(rng or random.Random())  # noqa: S311  spreads reconnects, keeps no secret
        servers = [urls] if isinstance(urls, str) else list(urls)
        try:
            async with asyncio.timeout(within_s):
                await link.client.connect(
                    servers=servers,
                    name=name,
                    inbox_prefix=names.inbox(name),
                    pending_size=0,
                    max_reconnect_attempts=-1,
                    ping_interval=_PING_S,
                    max_outstanding_pings=2,
                    connect_timeout=2,
                    reconnect_time_wait=1,
                    reconnect_to_server_handler=link._choose,
                    error_cb=link._on_error,
                    disconnected_cb=link._on_down,
                    reconnected_cb=link._on_up,
                    closed_cb=link._on_closed,
                    **dict(options or {}),
                )
                await link._asker.start()
        except (TimeoutError, OSError, nats_errors.Error) as error:
            await link.close()
            raise Unavailable(
                f"No NATS server answers at {', '.join(servers)} ({type(error).__name__}: "
                f"{link.client.last_error or error}). Start it, or correct the address."
            ) from error
        version = str(link.client.connected_server_version).removeprefix("<nats server v")
        try:
            monitor.check_version(version.removesuffix(">"), servers[0])
        except Unavailable:
            await link.close()
            raise
        link._up.set()
        return link

    async def close(self) -> None:
        """Close the connection; what is in flight may or may not have happened."""
        self._closing = True
        with contextlib.suppress(TimeoutError, nats_errors.Error, OSError):
            async with asyncio.timeout(_CLOSE_S):
                await self.client.close()
        if not self.lost.done():
            self.lost.cancel()

    @property
    def connected(self) -> bool:
        """Whether a publish made now can leave."""
        return self.client.is_connected and self._up.is_set()

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait until connected; False when that took longer than `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            return False
        return self.connected

    def on_reconnect(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call `call` after each reconnect until the returned function is called."""
        self._on_reconnect.add(call)
        return lambda: self._on_reconnect.discard(call)

    async def api(
        self, subject: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = _API_S
    ) -> Any:  # noqa: ANN401  each API has its own answer
        """Ask JetStream (`subject` as `names.jetstream` takes it); the answer as a dict.

        Raises ApiError when it says no, Unavailable when it says nothing.
        """
        try:
            data = json.dumps(body).encode() if body is not None else b""
            reply = await self.ask(names.jetstream(subject), data, timeout_s=timeout_s)
        except (TimeoutError, OSError, nats_errors.Error) as error:
            raise Unavailable(
                f"JetStream does not answer {subject.partition('.')[0].lower()} requests "
                f"({type(error).__name__}).",
                retry_s=0.5,
            ) from error
        answer = json.loads(reply.data)
        if refused := answer.get("error"):
            raise ApiError(int(refused.get("err_code", 0)), str(refused.get("description", "")))
        return answer

    def _choose(self, pool: list[Server], info: dict[str, Any]) -> tuple[Server | None, float]:
        del info
        server = self._rng.choice(pool)
        longest = min(_PAUSE_MAX_S, _PAUSE_FIRST_S * 2 ** min(server.reconnects, 10))
        return server, self._rng.uniform(longest / 4, longest)

    async def _on_down(self) -> None:
        self._up.clear()
        self._asker.broken()
        if not self._closing:
            log.warning("nats disconnected")

    async def _on_up(self) -> None:
        self.generation += 1
        self._up.set()
        log.info("nats connected again")
        for call in tuple(self._on_reconnect):
            call()

    async def _on_closed(self) -> None:
        self._up.clear()
        self._lose(f"The connection to NATS was closed for good ({self.client.last_error}).")

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats_errors.SlowConsumerError):
            self._lose("A subscription was too slow and NATS messages were dropped.")
        elif self._up.is_set() and not self._closing:
            log.warning("nats error", extra={"error": repr(error)})

    def _lose(self, sentence: str) -> None:
        if not self._closing and not self.lost.done():
            log.error("nats lost", extra={"sentence": sentence})
            self.lost.set_result(sentence)
