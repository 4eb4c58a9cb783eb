"""Time zones from the pinned `tzdata` wheel, never the system's: the same rules on every machine.

`version` is the IANA release the rules come from; it is part of what a due time depends on.
"""

from datetime import tzinfo
from functools import cache
from importlib import import_module, resources
from zoneinfo import ZoneInfo


class WheelZones:
    """The zones of the wheel, each read once; satisfies `kernel.config.Zones`."""

    @property
    def version(self) -> str:
        """The IANA release, such as `2026b`."""
        return _version()

    @property
    def names(self) -> frozenset[str]:
        """All IANA names there are."""
        return _names()

    def zone(self, name: str) -> tzinfo | None:
        """Return the zone of this IANA name, or None when there is none."""
        return _zone(name) if name in _names() else None


@cache
def _version() -> str:
    return str(import_module("tzdata").IANA_VERSION)


@cache
def _names() -> frozenset[str]:
    listing = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listing.split())


@cache
def _zone(name: str) -> tzinfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)
