"""The frame every process stands in: servers, background tasks, and an orderly end.

    async with App(listen, secrets, clock) as app:
        await bind(app, ...)        # one bind a service attaches servicers, tasks, adapters
        await app.start()           # ports open, health says SERVING
        await app.wait()            # until a signal, `app.stop()` or a task that fails

The end goes in one order: health NOT_SERVING, `app.draining` (streams end themselves), the gRPC
server, the tasks, then the adapters in reverse. A task that fails ends the process with its
sentence; nothing is restarted behind anybody's back.
"""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_channelz.v1 import channelz  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]

from toldonce.kernel.errors import Refusal
from toldonce.runtime import garbage
from toldonce.runtime.auth import Gate, Tokens, rules_of
from toldonce.runtime.clock import Clock
from toldonce.runtime.front import Front, Limits, make_server
from toldonce.runtime.listening import Listen, open_port, refuse_plain_text
from toldonce.runtime.logs import frames
from toldonce.runtime.meter import Meter
from toldonce.runtime.scrape import Scrape
from toldonce.runtime.secrets import Secrets

type Attach = Callable[[grpc.aio.Server], None]
type Check = Callable[[], str | None]


_log = structlog.get_logger()


class Crashed(Exception):
    """A part of the process failed, so the process ends; `str` is the sentence to show."""


class App:
    """One process."""

    def __init__(
        self,
        listen: Listen,
        secrets: Secrets,
        clock: Clock,
        *,
        meter: Meter | None = None,
        limits: Limits | None = None,
        grace_s: float = 5.0,
    ) -> None:
        """Take where to listen; raises Invalid when plain text would be heard by others."""
        refuse_plain_text(listen)
        self.clock = clock
        self.secrets = secrets
        self.tokens = Tokens(secrets.believed, clock)
        self.meter = meter or Meter()
        self.draining = asyncio.Event()
        self.address = ""
        self.metrics_address = ""
        self._listen = listen
        self._limits = limits or Limits()
        self._grace_s = grace_s
        self._services: list[tuple[ServiceDescriptor, Attach]] = []
        self._larger: dict[str, int] = {}
        self._checks: list[Check] = []
        self._adapters = AsyncExitStack()
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._front: Front | None = None
        self._server: grpc.aio.Server | None = None
        self._health: health.aio.HealthServicer | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._drain()
        finally:
            for task in self._tasks:
                task.cancel()
            try:
                await self._group.__aexit__(kind, exc, trace)
            except BaseExceptionGroup as group:
                first = _first(group)
                raise first from first.__cause__
            finally:
                await self._adapters.aclose()

    # ---- what a bind may use

    async def enter[T](self, adapter: AbstractAsyncContextManager[T]) -> T:
        """Open an adapter; it closes, in reverse order, after every task has ended."""
        return await self._adapters.enter_async_context(adapter)

    def add_grpc(
        self, service: ServiceDescriptor, attach: Attach, *, message_bytes_max: int = 0
    ) -> None:
        """Serve a gRPC service: its descriptor, and what adds its servicer to a server.

        `message_bytes_max`: where it takes larger messages than the others (before `start`).
        """
        self._services.append((service, attach))
        if message_bytes_max:
            self._larger[service.full_name] = message_bytes_max

    def add_check(self, check: Check) -> None:
        """Be ready only while `check` gives None; else it gives the sentence why not."""
        self._checks.append(check)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the others; when it fails the process ends, naming it."""
        task = self._group.create_task(self._watched(name, work), name=name)
        self._tasks.add(task)

        def ended(_: asyncio.Task[None]) -> None:
            work.close()  # it may never have begun
            self._tasks.discard(task)

        task.add_done_callback(ended)

    # ---- life

    async def start(self) -> None:
        """Open the ports; `address` and `metrics_address` then say where."""
        listen = self._listen
        rules = rules_of(service for service, _ in self._services)
        gate = Gate(self.tokens, rules)
        self._front = Front(gate, self.meter, self.clock, self._limits, larger=self._larger)
        server = make_server(self._front, self._limits)
        for _, attach in self._services:
            attach(server)
        await self._say_serving(server)
        port = open_port(server, listen)
        await server.start()
        self._server = server
        self.address = f"{listen.host}:{port}"
        if listen.metrics_port is not None:
            page = await self.enter(
                Scrape(
                    listen.metrics_host,
                    listen.metrics_port,
                    metrics=self.meter.page,
                    not_ready=self.not_ready,
                )
            )
            self.metrics_address = f"{listen.metrics_host}:{page.port}"
        _log.info("listening", port=port, what="mTLS" if listen.tls else "plain text, loopback")

    async def wait(self) -> None:
        """Return when asked to stop: SIGTERM, SIGINT or `stop()`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            await self._stopping.wait()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Ask the process to end; asking again changes nothing."""
        self._stopping.set()

    def not_ready(self) -> str | None:
        """Say why work should go elsewhere, or None."""
        if self._server is None:
            return "this process is still starting"
        if self.draining.is_set():
            return "this process is draining"
        return next((why for check in self._checks if (why := check()) is not None), None)

    async def _say_serving(self, server: grpc.aio.Server) -> None:
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        channelz.add_channelz_servicer(server)
        names = [service.full_name for service, _ in self._services]
        reflection.enable_server_reflection(
            (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )
        for name in ("", *names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def _drain(self) -> None:
        if self._health is not None:
            await self._health.enter_graceful_shutdown()
        self.draining.set()
        if self._front is not None:
            self._front.drain()
        if self._server is not None:
            await self._server.stop(self._grace_s)

    async def _watched(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as exc:
            _log.exception("a task failed", what=name, error=type(exc).__name__, frames=frames(exc))
            said = str(exc) if isinstance(exc, Refusal) else type(exc).__name__
            raise Crashed(f"{name} failed: {said}") from exc


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run a process's main on uvloop where it is installed, and seldom look for garbage."""
    gc.set_threshold(*garbage.SELDOM)
    try:
        import uvloop  # noqa: PLC0415 - only where installed
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    crashed = group.subgroup(Crashed)
    found: BaseException = crashed if crashed is not None else group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
