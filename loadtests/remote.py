"""A house that runs already: measured as a tenant of its own, so nobody's rules are changed."""

from pathlib import Path

from loadtests import material
from loadtests.bench import House
from toldonce.api.config.v1 import config_pb2
from toldonce.client.channel import Client
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import secrets
from toldonce.runtime.auth import issue
from toldonce.runtime.clock import SystemClock

TOKEN_LIFE_S = 4 * 3600.0


async def house_at(address: str, folder: Path, tenant: str) -> House:
    """Make tokens with the signing key in `folder` and put our configuration in force for `tenant`.

    Raises a Refusal: no such folder, no signing key there, nobody at `address`.
    """
    kept = secrets.load(folder)
    clock = SystemClock()

    def token(role: Role, subject: str) -> str:
        return issue(kept, Principal(tenant, role, subject), clock, life_s=TOKEN_LIFE_S)

    async with Client(address, token(Role.ADMIN, "load")) as client:
        await client.config.ApplyConfig(config_pb2.ApplyConfigRequest(yaml=material.document()))
    agents = {name: token(Role.AGENT, name) for name in material.AGENTS}
    return House(address, token(Role.GATEWAY, material.GATEWAY), agents)
