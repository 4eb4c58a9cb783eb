"""Helpers that hand contacts in: a configuration, libraries, one submission that is right."""

from datetime import UTC, datetime
from functools import cache

from toldonce.intake.core import Contact, Given, Kind, Submission, Tools, Topics, prepare
from toldonce.kernel.config import Config
from toldonce.runtime.address import LibraryAddresses
from toldonce.runtime.document import check, demo_text
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.language import Languages
from toldonce.runtime.zones import WheelZones

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KEY = bytes(range(32))
ADDRESSES = LibraryAddresses()
MAIL = Given(Kind.EMAIL, "joan@shop.example")


@cache
def config() -> Config:
    return check(demo_text(), WheelZones(), WheelHolidays(2026)).at_revision(7)


@cache
def tools() -> Tools:
    return Tools(ADDRESSES, Languages())


def submission(**changed: object) -> Submission:
    """Say a submission that is right, but for what is changed."""
    plain: dict[str, object] = {
        "gateway": "web",
        "message_id": "m-1",
        "made_at": NOW,
        "channel": "chat",
        "aliases": (MAIL,),
        "text": "Waar blijft mijn pakket, het is nog niet binnen?",
    }
    return Submission(**(plain | changed))  # type: ignore[arg-type]


def prepared(given: Submission | None = None, *, using: Config | None = None) -> Contact:
    found = using or config()
    return prepare(
        given or submission(),
        key=KEY,
        config=found,
        topics=Topics(found.topics),
        tools=tools(),
        now=NOW,
    )
