"""Agents' sessions, whatever carries them: one object a stream, one hub a process.

session = sessions.open(principal)      # nothing happens yet
await session.receive(message)          # as often as the agent speaks; Hello first
async for answer in session.answers():  # until it ends; raises the Refusal it ended with
await session.finish()                  # the agent will say no more: answer what is under way
await session.close()                   # always, at the end: the agent is gone
"""

from toldonce.routing.session.hub import Sessions
from toldonce.routing.session.stream import AgentSession

__all__ = ["AgentSession", "Sessions"]
