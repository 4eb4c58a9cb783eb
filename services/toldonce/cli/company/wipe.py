"""Wiping every view under load, then comparing what is told with what the log says."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from toldonce.cli.company.chronicle import Chronicle
from toldonce.cli.house import House
from toldonce.client import Client
from toldonce.client.desk import Desk
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.principal import Role

ANSWER_S = 15.0
PAUSE_S = 0.1


class Wipe:
    """One wipe, and how it went."""

    def __init__(
        self, running: House, told: Chronicle, caught_up: Callable[[], Awaitable[None]]
    ) -> None:
        """`told` is read from the log; `caught_up` waits until it is up to date."""
        self._house = running
        self._told = told
        self._caught_up = caught_up
        self.wipes = 0
        self.answers = 0
        self.wrong = 0
        self.troubles: list[str] = []

    async def after(self, seconds: float) -> None:
        """Wipe so many seconds from now."""
        await asyncio.sleep(seconds)
        token = self._house.token(Role.SUPERVISOR, "demo")
        async with Client(self._house.address, token) as client:
            await self._house.ports.store.flushall()
            self.wipes += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self._compare(Desk(client))

    async def _compare(self, desk: Desk) -> None:
        """Ask for the open cases until they are told; what was open all the while must be there.

        What had ended before the question was asked must not.
        """
        while True:
            await self._caught_up()
            before = {case.case_id for case in self._told.open_cases()}
            ended = set(self._told.cases) - before
            try:
                listed = {case.case_id for case in await desk.cases(tries_max=1)}
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
                continue
            await self._caught_up()
            still = before & {case.case_id for case in self._told.open_cases()}
            self.answers += 1
            if missing := still - listed:
                self.wrong += 1
                self.troubles.append(f"after the wipe {len(missing)} open cases were not listed")
            if stale := listed & ended:
                self.troubles.append(f"after the wipe {len(stale)} ended cases were still listed")
            return
