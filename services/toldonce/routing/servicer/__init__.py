"""gRPC in: sessions are carried, questions are asked of the log and of the engine that leads."""

from toldonce.routing.servicer.servicer import Servicer

__all__ = ["Servicer"]
