"""A loop whose time is a number, and processes on it that can be frozen or killed at any instant.

What a process does runs in its own context: each handle of a frozen process waits for it, each
handle of a dead one is never run. So a kill is abrupt: no `finally`, no last word.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

START_S = 1_000.0
_REAP_ROUNDS = 200
_SPINS_MAX = 300_000


class Host:
    """One process as the loop knows it: its context, its tasks, whether it runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.context = contextvars.copy_context()
        self.context.run(_HOST.set, self)
        self.stopped = False
        self.dead = False
        self.tasks: set[asyncio.Task[Any]] = set()
        self.backlog: deque[asyncio.Handle] = deque()

    @property
    def up(self) -> bool:
        """Whether it runs at this moment."""
        return not self.stopped and not self.dead

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP)."""
        self.stopped = True

    def thaw(self, loop: "VirtualLoop") -> None:
        """Let it go on; whatever came due meanwhile happens at once."""
        self.stopped = False
        loop.take_back(self)

    def kill(self) -> None:
        """End it without a word (SIGKILL)."""
        self.dead = True

    def spawn(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]
    ) -> asyncio.Task[Any]:
        """Run something as a part of this process."""
        return loop.create_task(work, context=self.context)

    def call(
        self, loop: asyncio.AbstractEventLoop, what: Callable[..., object], *given: Any
    ) -> None:
        """Have something called in this process, soon."""
        loop.call_soon(what, *given, context=self.context)


_HOST: contextvars.ContextVar[Host | None] = contextvars.ContextVar("host", default=None)


class Stuck(Exception):
    """Nothing is left to do and somebody still waits."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Time goes on to the next timer as soon as nobody has anything to do."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = START_S
        self._spins = 0
        _Task.made = 0
        self.set_task_factory(_make_task)

    def time(self) -> float:
        return self._virtual_s

    def take_back(self, host: Host) -> None:
        self._ready.extend(host.backlog)
        host.backlog.clear()

    async def reap(self, hosts: list[Host]) -> None:
        """Take apart what is left of processes, dead ones too, so that nothing stays behind."""
        for host in hosts:
            host.dead = host.stopped = False
            for task in tuple(host.tasks):
                task.cancel()
            self.take_back(host)
        for _ in range(_REAP_ROUNDS):
            left = [task for host in hosts for task in host.tasks if not task.done()]
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.sleep(0)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What is never retrieved was said to somebody who had gone."""

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:  # noqa: SLF001 - as the base loop does
            heapq.heappop(scheduled)._scheduled = False  # noqa: SLF001
        if not ready:
            if not scheduled:
                raise Stuck("everybody waits for something that will never come")
            self._virtual_s = max(self._virtual_s, scheduled[0]._when)  # noqa: SLF001
            self._spins = 0
        self._spins += 1
        if self._spins > _SPINS_MAX:
            raise Stuck("somebody is busy for ever without any time going by")
        now_s = self._virtual_s
        while scheduled and scheduled[0]._when <= now_s:  # noqa: SLF001
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # noqa: SLF001
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001
                continue
            host = handle._context.get(_HOST)  # noqa: SLF001
            if host is None or not (host.stopped or host.dead):
                handle._run()  # noqa: SLF001
            else:
                host.backlog.append(handle)

    def _process_events(self, event_list: object) -> None:
        """Nothing ever comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector here."""


class _Task(asyncio.Task[Any]):
    """A task that sets keep where they kept it in the last run: not by its place in memory."""

    made = 0

    def __init__(self, *given: Any, **options: Any) -> None:
        _Task.made += 1
        self.number = _Task.made
        super().__init__(*given, **options)

    def __hash__(self) -> int:
        return self.number


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    task = _Task(work, loop=loop, **options)
    context = task.get_context()
    host = context.get(_HOST)
    if host is not None:
        host.tasks.add(task)
        task.add_done_callback(host.tasks.discard, context=context)
    return task
