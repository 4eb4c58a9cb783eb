"""The typed client that people, tools and tests talk to ToldOnce with."""

from toldonce.client.channel import Client

__all__ = ["Client"]
