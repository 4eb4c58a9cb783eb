"""Load the configuration, decide, hand over to ownership: what every door of intake calls."""

from toldonce.intake.handler.answers import Answer, Answers
from toldonce.intake.handler.intake import Found, Intake, Ownership, Taken
from toldonce.intake.handler.places import AsksEngine, Places
from toldonce.intake.handler.stream import INFLIGHT_MAX, in_turn

__all__ = [
    "INFLIGHT_MAX",
    "Answer",
    "Answers",
    "AsksEngine",
    "Found",
    "Intake",
    "Ownership",
    "Places",
    "Taken",
    "in_turn",
]
