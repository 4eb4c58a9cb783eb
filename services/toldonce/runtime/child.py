"""One server process that is our child: it dies when we do, and when it dies we say why.

Rules: started from the main thread (the kernel ties the parent-death signal to the thread that
forks); the process id is the server's own, because the launcher that asks for the signal replaces
itself by the server; output goes to a file whose tail is shown when the server ends early. On
systems without a parent-death signal (not Linux) a killed parent leaves its children running.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from toldonce.kernel.errors import Unavailable

_READY_POLL_S = 0.01
_TAIL_BYTES_MAX = 2_000
_PR_SET_PDEATHSIG = 1
_LAUNCHER = (
    "import ctypes,os,sys;"
    f"p=getattr(ctypes.CDLL(None),'prctl',None);p and p({_PR_SET_PDEATHSIG},{int(signal.SIGTERM)});"
    "os.execv(sys.argv[1],sys.argv[1:])"
)


class Child:
    """A supervised server: start, wait until ready, notice its end, stop."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        ready: Callable[[], Awaitable[bool]],
        ready_s: float = 15.0,
        environment: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Describe a server; `ready` is asked until it says yes or `ready_s` is over.

        The server runs in `folder` and writes `<name>.log` there. `keep_open` are file descriptors
        it inherits (a lock that must outlive us, for one).
        """
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = tuple(command)
        self._folder = folder
        self._ready = ready
        self._ready_s = ready_s
        self._environment = dict(environment or {})
        self._keep_open = tuple(keep_open)
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self.failed: asyncio.Future[str] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self) -> None:
        """Start the server and wait until it is ready.

        `failed` is from now on a future that gets a sentence when the server ends without being
        asked to. Raises Unavailable with the tail of the log when it does not become ready.
        """
        loop = asyncio.get_running_loop()
        self._stopping = False
        self.failed = loop.create_future()
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_with_death_signal(self._command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, **self._environment},
                pass_fds=self._keep_open,
                start_new_session=True,
            )
        self._watch = loop.create_task(self._watch_end(self._process, self.failed))
        try:
            await self._wait_ready(self.failed)
        except BaseException:
            await self.stop(grace_s=1.0)
            raise

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """End the server: TERM, then KILL when it has not gone after `grace_s`. Idempotent."""
        self._stopping = True
        if self._process is None:
            return
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace_s):
                    await self._process.wait()
            except TimeoutError:
                self._signal(signal.SIGKILL)
        await self._gone()

    async def kill(self) -> None:
        """End the server at once, as a crash would; `start` brings it back on the same data."""
        self._stopping = True
        self._signal(signal.SIGKILL)
        await self._gone()

    def tail(self) -> str:
        """Return the last lines of the server's log."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _TAIL_BYTES_MAX))
            return log.read().decode(errors="replace").strip()
        return ""

    async def _gone(self) -> None:
        if self._process is not None:
            await self._process.wait()
        if self._watch is not None:
            await self._watch

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _watch_end(
        self, process: asyncio.subprocess.Process, failed: asyncio.Future[str]
    ) -> None:
        code = await process.wait()
        if not self._stopping and not failed.done():
            failed.set_result(
                f"{self.name} ended by itself with code {code}. Its last words ({self.log}):\n"
                f"{self.tail()}"
            )

    async def _wait_ready(self, failed: asyncio.Future[str]) -> None:
        try:
            async with asyncio.timeout(self._ready_s):
                while not await self._ready():
                    if failed.done():
                        raise Unavailable(failed.result())
                    await asyncio.sleep(_READY_POLL_S)
        except TimeoutError:
            raise Unavailable(
                f"{self.name} was not ready after {self._ready_s:g} s. Its last words "
                f"({self.log}):\n{self.tail()}"
            ) from None


def free_port() -> int:
    """Return a TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _with_death_signal(command: Sequence[str]) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        return [setpriv, "--pdeathsig", "TERM", "--", *command]
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
