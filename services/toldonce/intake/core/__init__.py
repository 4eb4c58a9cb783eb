"""What a contact is: whose it is, what it is about, what it asks, what is said at once. Pure."""

from toldonce.intake.core.callback import Callback
from toldonce.intake.core.contact import Contact, Detector, Submission, Tools, prepare
from toldonce.intake.core.learned import Guess, Model, features_of
from toldonce.intake.core.learned_file import parse as parse_model
from toldonce.intake.core.topics import Topics
from toldonce.intake.core.words import expectation
from toldonce.kernel.aliases import NORMALISATION, Addresses, Given, Kind

__all__ = [
    "NORMALISATION",
    "Addresses",
    "Callback",
    "Contact",
    "Detector",
    "Given",
    "Guess",
    "Kind",
    "Model",
    "Submission",
    "Tools",
    "Topics",
    "expectation",
    "features_of",
    "parse_model",
    "prepare",
]
