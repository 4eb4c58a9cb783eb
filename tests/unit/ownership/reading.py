"""Reading a story as a client does: from ownership's servicer, page by page, without a network."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.tellers import TENANT, Office, agent
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client import Client
from toldonce.client.context import ContextRead, read_context
from toldonce.ownership import servicer

PAGE_BYTES_MAX = 256 * 1024


class NoConfig:
    """A tenant without any clocks."""

    async def of(self, tenant: str) -> Any:
        await asyncio.sleep(0)
        assert tenant == TENANT
        return SimpleNamespace(sla_for=lambda *_: None)


@dataclass
class Reader:
    """An agent with a client; `pages` are those it was sent, as they went over the wire."""

    house: Office
    pages: list[ownership_pb2.GetContextResponse] = field(default_factory=list)

    async def page(self, **wanted: Any) -> ownership_pb2.GetContextResponse:
        """Ask for one page."""
        return await self._give(ownership_pb2.GetContextRequest(**wanted))

    async def read(self, case_id: str, **wanted: int) -> ContextRead:
        """Read a story, all pages, with the client everybody uses."""
        calls = SimpleNamespace(ownership=SimpleNamespace(GetContext=self._give))
        return await read_context(cast("Client", calls), case_id, **wanted)

    async def _give(
        self, request: ownership_pb2.GetContextRequest
    ) -> ownership_pb2.GetContextResponse:
        unused: Any = None
        config: Any = NoConfig()
        serving = servicer.Servicer(
            self.house.ownership, config, self.house.clock, unused, unused, customers=unused
        )
        answer = await serving.GetContext(request, unused)
        raw = answer.SerializeToString()
        assert len(raw) <= PAGE_BYTES_MAX
        self.pages.append(ownership_pb2.GetContextResponse.FromString(raw))
        return self.pages[-1]


def be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the calls of a test be those of an agent, as its token would say."""
    monkeypatch.setattr(servicer, "current_principal", lambda: agent(name))
