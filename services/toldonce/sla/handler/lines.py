"""How the lines stand, as the engine that leads says it: the port."""

from collections.abc import Mapping
from typing import Protocol

from toldonce.sla.core import Outlook


class AsksLines(Protocol):
    """Asks the engine that leads; raises a Refusal where none answers."""

    async def outlooks(self, tenant: str) -> Mapping[str, Outlook]:
        """Say of each queue how long a contact that came now would wait, where that is known."""
        ...
