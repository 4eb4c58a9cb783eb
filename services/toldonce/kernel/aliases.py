"""Addresses in their one written form, and the customer id that follows from one.

The rules (version NORMALISATION, free of any configuration, so that a customer is the same
customer after every change of it):

- e-mail: the domain in its ASCII form and lower case; the part before the @ in NFC and lower case,
  for no mail service of note tells them apart; dots and +tags stay, for services disagree on them
  and joining two people's stories is worse than missing one.
- phone: E.164, with `;ext=` where an extension was given; letters are no digits here.
- handle: `network:name`, lower case, without the @ some write before the name.
- account and other: NFC and trimmed, else byte for byte.

Rules of libraries come in as `Addresses`.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import CustomerId, keyed
from toldonce.kernel.story.events import Alias
from toldonce.kernel.text import one_line

NORMALISATION = 1
ALIAS_BYTES_MAX = 320
_REGION = re.compile("[A-Z]{2}")
_HANDLE = re.compile(r"([a-z0-9][a-z0-9_-]{0,62}):@?([^\s:@][^\s@]*)")


class Kind(StrEnum):
    """What sort of address an alias is; decides how it is brought into its one form."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"
    HANDLE = "HANDLE"
    ACCOUNT = "ACCOUNT"
    OTHER = "OTHER"


class Addresses(Protocol):
    """What libraries know of addresses."""

    def email(self, value: str) -> str | None:
        """Return `local@domain` with the domain in ASCII lower case, or None when it is none."""
        ...

    def phone(self, value: str, region: str) -> str | None:
        """Return E.164 of a number, national ones by `region` ("" for none), or None."""
        ...

    def region(self, region: str) -> bool:
        """Tell whether phone numbers of this region (ISO 3166 alpha-2) are known."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """An alias as the gateway names it; `region` is the country of a national phone number."""

    kind: Kind
    value: str
    region: str = ""
    shared: bool = False


def customer_of(key: bytes, alias: Alias) -> CustomerId:
    """Make the customer id (26 characters) an alias in its one form leads to."""
    return CustomerId(keyed(key, "customer", str(NORMALISATION), alias.kind, alias.value))


def normalise(path: str, given: Given, addresses: Addresses) -> Alias:
    """Bring an alias into its one form; raises Invalid naming a field under `path`."""
    field = f"{path}.value"
    value = one_line(field, given.value, bytes_max=ALIAS_BYTES_MAX)
    if not value:
        raise Invalid(field, f"wanted 1 to {ALIAS_BYTES_MAX} bytes")
    if given.region and given.kind is not Kind.PHONE:
        raise Invalid(f"{path}.region", "only a phone number has a region")
    match given.kind:
        case Kind.EMAIL:
            written = _email(field, value, addresses)
        case Kind.PHONE:
            written = _phone(path, value, given.region, addresses)
        case Kind.HANDLE:
            written = _handle(field, value)
        case Kind.ACCOUNT | Kind.OTHER:
            written = value
        case _:
            assert_never(given.kind)
    if len(written.encode()) > ALIAS_BYTES_MAX:
        raise Invalid(field, f"at most {ALIAS_BYTES_MAX} bytes fit")
    return Alias(given.kind.value, written)


def _email(field: str, value: str, addresses: Addresses) -> str:
    found = addresses.email(value)
    if found is None:
        raise Invalid(field, "this is not an e-mail address")
    local, _, domain = found.rpartition("@")
    return f"{_lower(local)}@{domain}"


def _phone(path: str, value: str, region: str, addresses: Addresses) -> str:
    if region and not (_REGION.fullmatch(region) and addresses.region(region)):
        raise Invalid(f"{path}.region", "wanted a country of ISO 3166 in two capitals, such as NL")
    international = value.removeprefix("tel:").lstrip(" (").startswith(("+", "\uff0b"))
    if not (international or region):
        raise Invalid(f"{path}.region", "a national number needs its country, or write +31...")
    found = addresses.phone(value, region)
    if found is None:
        raise Invalid(f"{path}.value", "this is not a phone number")
    return found


def _handle(field: str, value: str) -> str:
    found = _HANDLE.fullmatch(_lower(value))
    if found is None:
        raise Invalid(field, "wanted network:name, such as mastodon:jan")
    return f"{found[1]}:{found[2]}"


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text.lower())
