"""Times that people type: ISO 8601, by the wall of a zone where no offset is given.

A wall time that a change of the clocks skips is refused, because it never was; one that is there
twice is the first of the two, and that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from toldonce.kernel.clocks import Pause
from toldonce.kernel.errors import Invalid

PAUSES_MAX = 100
YEARS = range(1970, 3000)
_SAMPLE = "2026-06-05T15:30"
_OPEN = {"", ".."}


@dataclass(frozen=True, slots=True)
class Wall:
    """The wall clocks of a zone."""

    zone_name: str
    zone: tzinfo

    def read(self, option: str, typed: str, notes: list[str]) -> datetime:
        """Read a time as an instant in UTC; raises Invalid naming `option`.

        What was assumed is added to `notes`.
        """
        try:
            at = datetime.fromisoformat(typed.strip())
        except ValueError:
            raise Invalid(
                option,
                f"{typed!r} is no time; one is {_SAMPLE} (as the wall shows it in "
                f"{self.zone_name}) or {_SAMPLE}+02:00",
            ) from None
        if at.year not in YEARS:
            raise Invalid(option, f"{typed}: wanted a year from {YEARS[0]} to {YEARS[-1]}")
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        first, second = (at.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            return first.astimezone(UTC)
        if first.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != at:
            before, after = (one.astimezone(UTC).astimezone(self.zone) for one in (second, first))
            raise Invalid(
                option,
                f"{typed} never was on a wall in {self.zone_name}: the clocks went forward over "
                f"it. Did you mean {before:%H:%M} or {after:%H:%M}? Or give an offset",
            )
        notes.append(
            f"{typed} was there twice in {self.zone_name}; the first is meant ({first:%:z}). "
            f"For the second write {typed}{second:%:z}"
        )
        return first.astimezone(UTC)

    def pauses(self, typed: Sequence[str], notes: list[str]) -> tuple[Pause, ...]:
        """Read pauses written FROM/TO, or FROM/ for one that is still open; raises Invalid."""
        if len(typed) > PAUSES_MAX:
            raise Invalid("--pause", f"at most {PAUSES_MAX} pauses")
        return tuple(self._pause(one, notes) for one in typed)

    def _pause(self, typed: str, notes: list[str]) -> Pause:
        begins, slash, ends = typed.partition("/")
        if not slash or "/" in ends:
            raise Invalid(
                "--pause",
                f"{typed!r} is no pause; one is {_SAMPLE}/2026-06-08T10:00, and {_SAMPLE}/ is "
                "still open",
            )
        from_at = self.read("--pause", begins, notes)
        if ends in _OPEN:
            return Pause(from_at)
        to_at = self.read("--pause", ends, notes)
        if to_at <= from_at:
            raise Invalid("--pause", f"{typed} is inverted: it has to end after it begins")
        return Pause(from_at, to_at)
