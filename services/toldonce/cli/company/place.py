"""Where the demo's people go: an address, and a token for whoever asks."""

from dataclasses import dataclass
from pathlib import Path

from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import secrets
from toldonce.runtime.auth import issue
from toldonce.runtime.clock import Clock, SystemClock
from toldonce.runtime.secrets import Secrets

TOKEN_LIFE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Place:
    """A running system with its development keys."""

    address: str
    tenant: str
    secrets: Secrets
    clock: Clock

    def token(self, role: Role, subject: str) -> str:
        """Make the token of somebody."""
        principal = Principal(self.tenant, role, subject)
        return issue(self.secrets, principal, self.clock, life_s=TOKEN_LIFE_S)


def place_of(address: str, tenant: str, data: Path) -> Place:
    """Describe the system at `address` whose data folder is `data`."""
    return Place(address, tenant, secrets.load(data / "secrets"), SystemClock())
