"""A store in memory: scripts run by their Python twins. Wiping it is one call."""

import asyncio
from collections.abc import Sequence
from typing import Any

from toldonce.kernel.errors import Unavailable
from toldonce.runtime.clock import Clock, LoopClock
from toldonce.runtime.store import Commands, Script, Value, encode
from toldonce.runtime.testing.state import FakeState


class FakeStore(Commands):
    """`runtime.store.Store` in memory."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        """Start empty; set `down` to make it unreachable."""
        self.down = False
        self.state = FakeState(clock or LoopClock())

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> Any:  # noqa: ANN401
        """See `Store.run`; runs the script's Python twin."""
        await self._reachable()
        return reply(script.python(self.state, keys, [encode(argument) for argument in args]))

    async def call(self, command: str, *arguments: Value) -> Any:  # noqa: ANN401
        """See `Store.call`."""
        await self._reachable()
        return self.state.call(command, *arguments)

    async def pipeline(self, commands: Sequence[Sequence[Value]]) -> list[Any]:
        """See `Store.pipeline`."""
        await self._reachable()
        return [self.state.call(str(command[0]), *command[1:]) for command in commands]

    async def _reachable(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("The store does not answer.")


def reply(value: Any) -> Any:  # noqa: ANN401
    """Return what a caller sees of what a script returned, as Redis turns Lua into a reply."""
    match value:
        case None | False:
            return None
        case True:
            return 1
        case float():
            return int(value)
        case str():
            return value.encode()
        case list() | tuple():
            return [reply(item) for item in value]
        case _:
            return value
