"""What may happen to a story: commands in, facts or a refusal out. Pure."""

from toldonce.ownership.core.commands import Asked, Command
from toldonce.ownership.core.decide import decide
from toldonce.ownership.core.rules import Rules

__all__ = ["Asked", "Command", "Rules", "decide"]
