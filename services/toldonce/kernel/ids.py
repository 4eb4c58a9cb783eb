"""Ids: made of 16 bytes, written as 26 lower-case Crockford base32 characters.

A contact, case, offer, handoff, entry or timer id is the id of the customer it was born under
followed by 26 characters of its own, so any id finds its story without an index. Ids that follow
from something known are derived, not drawn: doing a thing twice gives the same ids.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType

from toldonce.kernel.errors import Invalid

Tenant = NewType("Tenant", str)
CustomerId = NewType("CustomerId", str)
EventId = NewType("EventId", str)
OperationId = NewType("OperationId", str)
ContactId = NewType("ContactId", str)
CaseId = NewType("CaseId", str)
OfferId = NewType("OfferId", str)
HandoffId = NewType("HandoffId", str)
EntryId = NewType("EntryId", str)
TimerId = NewType("TimerId", str)
Own = NewType("Own", str)  # the last 26 characters of an id, beside whose story it is known
NO_OWN = Own("")  # names nothing

PARTITIONS = 16
OWN_CHARS = 26
CACHED_MAX = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION, _VARIANT = 7, 2  # of a uuid7
_VERSION_BITS = 0xF << 76
_DERIVED_BITS = 8 << 76  # the version that says "made by a rule of our own"
_LATEST_MS = 10**14
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
LOW_BITS = (1 << 60) - 1
_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_OWN = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
_WHOLE = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}[0-7][0-9a-hjkmnp-tv-z]{25}")
_TENANT = re.compile(r"[0-9a-z]{1,32}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def written(number: int) -> str:
    """Write a number below 2**128 as 26 characters."""
    high, low = number >> 60, number & LOW_BITS
    return (
        f"{PAIRS[high >> 60 & 1023]}{PAIRS[high >> 50 & 1023]}{PAIRS[high >> 40 & 1023]}"
        f"{PAIRS[high >> 30 & 1023]}{PAIRS[high >> 20 & 1023]}{PAIRS[high >> 10 & 1023]}"
        f"{PAIRS[high & 1023]}{PAIRS[low >> 50]}{PAIRS[low >> 40 & 1023]}"
        f"{PAIRS[low >> 30 & 1023]}{PAIRS[low >> 20 & 1023]}{PAIRS[low >> 10 & 1023]}"
        f"{PAIRS[low & 1023]}"
    )


@lru_cache(maxsize=CACHED_MAX)
def encode(raw: bytes) -> str:
    """Write 16 bytes as 26 characters; a story's ids come again with each of its messages."""
    return written(int.from_bytes(raw, "big"))


@lru_cache(maxsize=CACHED_MAX)
def decode(own: str) -> bytes:
    """Read 26 characters back into 16 bytes; raises Invalid for anything else."""
    if not _OWN.fullmatch(own):
        raise Invalid("id", f"{own[:80]!r} is not 26 characters of lower-case base32")
    return int(own.translate(_DIGITS), 32).to_bytes(16, "big")


def derive(kind: str, *parts: str | bytes | int) -> str:
    """Make an own id (26 characters) that follows from `parts` alone: same parts, same id.

    It never looks like a uuid7.
    """
    return derived(kind.encode() + spelled(*parts))


def spelled(*parts: str | bytes | int) -> bytes:
    """Write parts so that no other parts read the same."""
    said = b""
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        said += len(raw).to_bytes(4, "big") + raw
    return said


def derived(said: bytes) -> str:
    """Make the id that `derive` makes of a kind and spelled parts, for who joined them already."""
    return written(derived_number(said))  # made once: no place in a memory


def derived_number(said: bytes) -> int:
    """Give what `derived` gives, before it is written."""
    number = int.from_bytes(hashlib.sha256(said).digest()[:16], "big")
    return number & ~_VERSION_BITS | _DERIVED_BITS


def first_of_series(kind: str, *parts: str | bytes | int) -> int:
    """Say as a number the id that a series begins with, which follows from `parts`."""
    return derived_number(kind.encode() + spelled(*parts))


def keyed(key: bytes, kind: str, *parts: str) -> str:
    """Make an own id by HMAC-SHA-256 under `key`, so that nobody can guess it from the parts."""
    mac = hmac.new(key, kind.encode(), hashlib.sha256)
    for part in parts:
        raw = part.encode()
        mac.update(len(raw).to_bytes(4, "big") + raw)
    return encode(mac.digest()[:16])


def whole(customer: str, own: str) -> str:
    """Join a customer id and an own id into a 52-character id."""
    return customer + own


def customer_of(any_id: str) -> CustomerId:
    """Say whose story an id lives in."""
    return CustomerId(any_id[:OWN_CHARS])


def own_of(whole_id: str) -> str:
    """Give the own part (26 characters) of a 52-character id."""
    return whole_id[OWN_CHARS:]


def is_own(value: str) -> bool:
    """Tell whether `value` is a 26-character id."""
    return _OWN.fullmatch(value) is not None


def parse_own(field: str, value: str) -> str:
    """Return a 26-character id (customer, event, operation) or raise Invalid naming `field`."""
    if not _OWN.fullmatch(value):
        raise Invalid(
            field, "wanted 26 characters of lower-case base32, as ToldOnce gives them out"
        )
    return value


def parse_whole(field: str, value: str) -> str:
    """Return a 52-character id (contact, case, offer, ...) or raise Invalid naming `field`."""
    if not _WHOLE.fullmatch(value):
        raise Invalid(
            field, "wanted 52 characters of lower-case base32, as ToldOnce gives them out"
        )
    return value


def parse_tenant(value: str) -> Tenant:
    """Return a tenant name or raise Invalid."""
    if not _TENANT.fullmatch(value):
        raise Invalid("tenant", "wanted 1 to 32 of 0-9 and a-z")
    return Tenant(value)


def parse_name(field: str, value: str) -> str:
    """Return a name of the configuration (agent, queue, channel, skill) or raise Invalid."""
    if not _NAME.fullmatch(value):
        raise Invalid(field, "wanted 1 to 63 of a-z, 0-9, _ and -, starting with a letter or digit")
    return value


def partition(tenant: str, customer: str) -> int:
    """Say which of the 16 parts of the log a story lives in."""
    return hashlib.sha256(f"{tenant}.{customer}".encode()).digest()[0] % PARTITIONS


def drawn_at(own: str) -> datetime | None:
    """Read when a uuid7-made id was drawn (to the millisecond); None for any other id."""
    raw = decode(own)
    if raw[6] >> 4 != _VERSION or raw[8] >> 6 != _VARIANT:
        return None
    milliseconds = int.from_bytes(raw[:6], "big")
    return _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds < _LATEST_MS else None
