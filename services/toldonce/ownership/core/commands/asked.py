"""Who asks, and under which operation id."""

from dataclasses import dataclass

from toldonce.kernel.ids import Own
from toldonce.kernel.principal import Principal, Role


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and under which operation id: the same id again is the same act."""

    operation: Own
    principal: Principal

    @property
    def actor(self) -> str:
        """Give the `role:subject` that the log keeps."""
        return f"{self.principal.role.value}:{self.principal.subject}"

    @property
    def agent(self) -> str:
        """Name the agent who asks; empty when it is not an agent."""
        return self.principal.subject if self.principal.role is Role.AGENT else ""
