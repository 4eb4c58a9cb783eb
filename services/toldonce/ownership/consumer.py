"""The bus door: one command in, one reply out, the same handler as gRPC.

`answer` is also the local door of services in the same process: same bytes, same handler.
"""

from toldonce.ownership.handler import Ownership
from toldonce.ownership.wire import answer
from toldonce.runtime import names
from toldonce.runtime.bus import Bus, Subscription

INFLIGHT_MAX = 256


class Consumer:
    """Takes commands from the bus."""

    def __init__(self, ownership: Ownership) -> None:
        """Hand every command to `ownership`."""
        self._ownership = ownership

    async def serve(self, bus: Bus) -> Subscription:
        """Take commands of every tenant, each by one replica."""
        return await bus.serve(
            names.EVERY_COMMAND,
            self.answer,
            queue=names.COMMANDS_QUEUE,
            inflight_max=INFLIGHT_MAX,
        )

    async def answer(self, data: bytes) -> bytes:
        """Do one command and say how it ended; never raises."""
        return await answer(self._ownership, data)
