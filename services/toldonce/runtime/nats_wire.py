"""The socket under a NATS connection, safe to write to after it broke.

asyncio's `writelines` (Python 3.12, and 3.13 before 3.13.6) does not look whether the connection is
still there: it raises from inside the client, or registers a socket number that by then may belong
to a stranger. `write` looks, so everything goes through `write`. uvloop has no such fault.
"""

from collections.abc import Iterable

from nats.aio.client import Client
from nats.aio.transport import TcpTransport


class Wire(TcpTransport):
    """A TCP connection whose `writelines` ends quietly, as `write` does, once it is broken."""

    def __bool__(self) -> bool:
        """Be there from the beginning, so that the client takes no transport of its own."""
        return True

    def writelines(self, payload: Iterable[bytes]) -> None:
        """Write it all at once; nothing while there is no connection."""
        if self._io_writer is not None:
            self._io_writer.write(b"".join(payload))


def client() -> Client:
    """Make a client of NATS that writes through a Wire."""
    made = Client()
    made._transport = Wire()  # type: ignore[no-untyped-call]  # noqa: SLF001  there is no option for it
    return made
