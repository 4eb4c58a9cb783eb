"""Sessions as a stream carries them; they live in `session`."""

from collections.abc import AsyncIterator
from typing import Protocol

from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.principal import Principal
from toldonce.routing.handler.heads import Owned
from toldonce.routing.handler.words import Drain
from toldonce.routing.wire.session import FromSession, ToSession
from toldonce.runtime.logs import logger

_log = logger()


class Session(Protocol):
    """A session, as it is carried (`session.AgentSession`)."""

    async def receive(self, message: ToSession) -> None:
        """Take what the agent says."""
        ...

    async def finish(self) -> None:
        """End once everything the agent asked is answered."""
        ...

    async def close(self) -> None:
        """End because the stream is gone."""
        ...

    def end(self, why: Refusal | None) -> None:
        """End after what is in line."""
        ...

    def answers(self) -> AsyncIterator[FromSession]:
        """Give what is to be sent; at the end raises the Refusal it ended with."""
        ...


class OpensSessions(Protocol):
    """Where sessions live (`session.Sessions`)."""

    def open(self, principal: Principal) -> Session:
        """Begin a session; raises Unavailable."""
        ...

    async def drain(
        self, tenant: str, agent: str, drain: Drain | None, operation: str
    ) -> tuple[Drain | None, list[Owned]]:
        """Give an agent nothing new, or work again; raises a Refusal."""
        ...


async def hear(messages: AsyncIterator[ToSession], session: Session) -> None:
    """Hand what the agent sends to the session, until they stop or it is over."""
    try:
        async for message in messages:
            await session.receive(message)
        await session.finish()
    except Refusal as refusal:
        session.end(refusal)
    except Exception as fault:  # noqa: BLE001 - whatever the stream says, the agent is gone
        _log.info("a session's stream broke", error=type(fault).__name__)
        session.end(Unavailable("the stream broke: connect again"))
