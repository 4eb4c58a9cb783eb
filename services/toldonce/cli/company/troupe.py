"""The process of the demo's people, as the director sees it: start it, hear it, let it close."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from toldonce.cli.company.notes import Notes
from toldonce.cli.company.people import CLOSE, Job
from toldonce.kernel.errors import Unavailable

LEAVE_S = 30.0


class Troupe:
    """A child process; it also ends when this process does, because its stdin ends."""

    def __init__(self) -> None:
        """Start with `async with`: what it imports takes a moment."""
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._notes = Path()
        self._ended = ""
        self._heard: dict[str, asyncio.Event] = {
            name: asyncio.Event() for name in ("seated", "open", "served", "closed")
        }
        self.sent = 0
        self.length_s = 0.0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "toldonce.cli.company.people",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._hearing = asyncio.create_task(self._hear(), name="people")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _exc: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)

    async def begin(self, job: Job) -> None:
        """Give everybody their job."""
        self._notes = Path(job.notes)
        await self._say(msgspec.json.encode(job))

    async def wait(self, event: str) -> None:
        """Wait until people say so; raises Unavailable when they are gone."""
        await self._heard[event].wait()
        if self._ended:
            raise Unavailable(self._ended)

    async def close(self) -> Notes:
        """Let everybody go home; returns what they saw."""
        await self._say(CLOSE.encode())
        async with asyncio.timeout(LEAVE_S):
            await self.wait("closed")
        return msgspec.json.decode(self._notes.read_bytes(), type=Notes)

    async def _say(self, line: bytes) -> None:
        stdin = self._process.stdin if self._process is not None else None
        if stdin is None:
            raise Unavailable("the people of the demo are not there")
        stdin.write(line + b"\n")
        await stdin.drain()

    async def _hear(self) -> None:
        stdout = self._process.stdout if self._process is not None else None
        while stdout is not None and (line := await stdout.readline()):
            said: dict[str, Any] = json.loads(line)
            self.sent = said.get("sent", self.sent)
            self.length_s = said.get("length_s", self.length_s)
            if (event := self._heard.get(said["event"])) is not None:
                event.set()
        if not self._heard["closed"].is_set():
            self._ended = "the process of the demo's people has ended before its time"
        for event in self._heard.values():
            event.set()
