"""Applying and giving documents: check, decide, put by compare-and-set, tell.

A document that is refused leaves the one in force as it is. Holiday sets become dates here, and
are stored as dates: whoever reads the document later asks no library.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from toldonce.config.core import Keep, Standing, decide, remarks
from toldonce.kernel.config import Config, Holidays, Zones
from toldonce.kernel.errors import Conflict, Invalid, Missing
from toldonce.kernel.principal import Principal
from toldonce.runtime.clock import Clock
from toldonce.runtime.document import Stored, check, located, pack, unpack
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.log import PAYLOAD_BYTES_MAX
from toldonce.runtime.names import config_key
from toldonce.runtime.table import Row, Table

TRIES_MAX = 5

type Announce = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Applied:
    """What stands after applying; with `dry_run` the revision is the one that stood before."""

    config: Config
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A document as stored; `policy_version` is "" when this program cannot read it."""

    yaml: str
    revision: int
    policy_version: str
    applied_at: datetime
    applied_by: str


class Handler:
    """The documents of all tenants."""

    def __init__(
        self,
        table: Table,
        zones: Zones,
        clock: Clock,
        announce: Announce,
        holidays_as_of: Callable[[int], Holidays] = WheelHolidays,
    ) -> None:
        """`announce(tenant)` hints, best effort, that another document stands.

        `holidays_as_of(year)` expands the holiday sets of what is applied in that year.
        """
        self._table = table
        self._zones = zones
        self._clock = clock
        self._announce = announce
        self._holidays_as_of = holidays_as_of

    async def apply(
        self,
        principal: Principal,
        yaml: str,
        *,
        expected: int | None = None,
        dry_run: bool = False,
    ) -> Applied:
        """Check a document and store it; raises Invalid, Conflict and Unavailable.

        Unavailable: it may or may not have been stored; applying it again does it once.
        """
        now = self._clock.now()
        config = check(yaml, self._zones, self._holidays_as_of(now.year))
        try:
            said = remarks(config, now)
        except Invalid as refusal:
            raise located(yaml, refusal) from None
        kept = pack(Stored(yaml, now, principal.subject, config.expansion))
        if len(kept) > PAYLOAD_BYTES_MAX:
            raise Invalid(
                "", f"the document takes {len(kept)} bytes, at most {PAYLOAD_BYTES_MAX} fit"
            )
        for number in range(TRIES_MAX):
            standing = _standing(await self._table.get(config_key(principal.tenant)))
            verdict = decide(standing, yaml, expected, config.expansion)
            if isinstance(verdict, Keep) or dry_run:
                return Applied(config.at_revision(standing.revision), said)
            try:
                revision = await self._table.put(
                    config_key(principal.tenant), kept, expected=verdict.expected
                )
            except Conflict:
                if number == TRIES_MAX - 1:
                    raise
                continue
            await self._announce(principal.tenant)
            return Applied(config.at_revision(revision), said)
        raise AssertionError  # pragma: no cover - the last try returns or raises

    async def get(self, principal: Principal, revision: int | None = None) -> Given:
        """Give the document that stands; raises Missing for any other revision."""
        row = await self._table.get(config_key(principal.tenant))
        if row is None or row.tombstone:
            raise Missing("config", "nothing is stored yet: toldonce apply FILE")
        if revision is not None and revision != row.revision:
            raise Missing("config", f"revision {revision} is not kept; {row.revision} stands")
        stored = unpack(row.value)
        try:
            config = check(stored.yaml, self._zones, stored.expansion)
            version = config.at_revision(row.revision).policy_version
        except Invalid:
            version = ""
        return Given(stored.yaml, row.revision, version, stored.applied_at, stored.applied_by)


def _standing(row: Row | None) -> Standing:
    """Read what stands; what cannot be read can still be replaced."""
    if row is None:
        return Standing(0, None)
    if row.tombstone:
        return Standing(row.revision, None)
    try:
        stored = unpack(row.value)
        return Standing(row.revision, stored.yaml, stored.expansion)
    except Invalid:
        return Standing(row.revision, "")
