"""What a contact is: whose it is, what it is about, what it asks, what is said at once. Pure."""

from toldonce.intake.core.aliases import NORMALISATION, Addresses, Given, Kind
from toldonce.intake.core.contact import Contact, Detector, Submission, Tools, prepare
from toldonce.intake.core.topics import Topics

__all__ = [
    "NORMALISATION",
    "Addresses",
    "Contact",
    "Detector",
    "Given",
    "Kind",
    "Submission",
    "Tools",
    "Topics",
    "prepare",
]
