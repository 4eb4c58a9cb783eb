"""The bus door: one command in, one reply out, the same handler as gRPC.

`answer` is also the local door of services in the same process: same bytes, same handler.
"""

import structlog
from google.protobuf.message import DecodeError

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.kernel.errors import Invalid, Refusal
from toldonce.ownership.handler import Ownership
from toldonce.ownership.wire import execute
from toldonce.runtime import names
from toldonce.runtime.bus import Bus, Subscription
from toldonce.runtime.ids import new_id
from toldonce.runtime.rpc import Broken, to_status
from toldonce.runtime.telemetry import frames

INFLIGHT_MAX = 256

_log = structlog.get_logger()


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
        reply = internal_pb2.CommandReply()
        body = ""
        try:
            try:
                command = internal_pb2.Command.FromString(data)
            except DecodeError:
                raise Invalid("command", "these bytes are no command") from None
            body = command.WhichOneof("body") or ""
            reply.ok.CopyFrom(await execute(self._ownership, command))
        except Refusal as no:
            reply.error.CopyFrom(to_status(no))
        except Exception as fault:  # noqa: BLE001 - the last net: the asker always gets an answer
            incident_id = new_id()
            _log.exception(
                "fault in a command",
                what=body,
                incident_id=incident_id,
                error=type(fault).__name__,
                frames=frames(fault),
            )
            reply.error.CopyFrom(to_status(Broken(f"a fault of ours; tell us {incident_id}")))
        return reply.SerializeToString()
