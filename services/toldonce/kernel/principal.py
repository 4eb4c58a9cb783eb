"""Who is asking: every handler takes a Principal, made from a signed token, never from a body."""

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What a caller may be; the proto of each call lists the roles it admits."""

    GATEWAY = "gateway"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: `subject` is the name of the gateway, agent, person or service."""

    tenant: str
    role: Role
    subject: str
