"""What is typed at the desktop of `toldonce agent`, read into what it means; errors teach."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from toldonce.client.context import Envelope
from toldonce.kernel.errors import Invalid

_DELAY = re.compile(r"([0-9]{1,4})([mhd])")
_BETWEEN = re.compile(r"(?:^|(?<=\s))/(?=\s|$)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_HAND = "h queue:NAME WHY / THE MATTER, or agent:NAME, or tier:1"
_HOLD = "hold 2d WHY"
_SPEECH = 6


@dataclass(frozen=True, slots=True)
class Handing:
    """A handoff as it was typed: to whom, with what, and how."""

    kind: str
    name: str
    envelope: Envelope
    warm: bool
    override: str


def handing(words: str) -> Handing:
    """Read `[warm] [because:CODE] KIND:NAME WHY / THE MATTER / TRIED / PROMISED / TOLD / MOOD`."""
    warm, override = False, ""
    while True:
        first, _, rest = words.partition(" ")
        kind, _, name = first.partition(":")
        match kind:
            case "warm" if not name:
                warm = True
            case "because" if name:
                override = code(name)
            case "agent" | "queue" | "tier" if name:
                return Handing(kind, name, envelope(rest), warm, override)
            case _:
                raise Invalid("", f"whom to? {_HAND}")
        words = rest.strip()


def envelope(words: str) -> Envelope:
    """Read `WHY / THE MATTER / TRIED / PROMISED / TOLD THE CUSTOMER / MOOD`; the end may lack."""
    parts = [part.strip() for part in _BETWEEN.split(words.strip())]
    if len(parts) > _SPEECH:
        raise Invalid("", f"at most {_SPEECH} parts, between them a / with a space on each side")
    reason, *rest = parts
    said = [*rest, *[""] * _SPEECH][: _SPEECH - 1]
    said[0] = said[0] or reason
    return Envelope(reason, *said)


def due(word: str, now: datetime, say: str = "p 2h WHAT") -> datetime:
    """Read when: `30m`, `2h`, `3d` from now, or an instant as 2026-01-31T14:00 (UTC).

    `say` is how it should have been typed.
    """
    delay = _DELAY.fullmatch(word)
    if delay is not None:
        return now + timedelta(**{_UNITS[delay[2]]: int(delay[1])})
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        raise Invalid("", f"when? {say}: 30m, 2h, 3d, or 2026-01-31T14:00 (UTC)") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def holding(words: str, now: datetime) -> tuple[datetime | None, str]:
    """Read `[2h] WHY`: until when a case is on hold (None: as long as usual), and the code why."""
    first, _, rest = words.partition(" ")
    timed = first.lstrip("+-")[:1].isdigit()
    until_at = due(first, now, _HOLD) if timed else None
    why = code(rest if timed else words)
    if not why:
        raise Invalid("", f"what does it wait for? {_HOLD}, as SUPPLIER (2d may be left out)")
    return until_at, why


def closing(words: str) -> tuple[str, dict[str, bool]]:
    """Read `OUTCOME [retold:yes|no] [first:yes|no]`: the outcome, and what was answered."""
    outcome, *answers = words.split() or [""]
    found: dict[str, bool] = {}
    for answer in answers:
        name, _, said = answer.partition(":")
        known = {"retold": "re_told", "first": "resolved_first_owner"}.get(name)
        if known is None or said not in {"yes", "no"}:
            raise Invalid("", "c OUTCOME retold:yes|no first:yes|no (both may be left out)")
        found[known] = said == "yes"
    return outcome, found


def numbers(words: str, count: int) -> list[int]:
    """Read numbers of a list of `count`, from 1; gives places from 0."""
    chosen = [int(word) - 1 for word in re.split(r"[\s,]+", words.strip()) if word.isdecimal()]
    if not chosen or not all(0 <= place < count for place in chosen):
        said = f"1 to {count}" if count else "there is nothing to choose from"
        raise Invalid("", f"which one? Say a number that `l` shows ({said})")
    return chosen


def code(why: str) -> str:
    """Make a code of what was typed: reasons stand in the clear, so they are no words."""
    return re.sub(r"[^A-Z0-9]+", "_", why.upper()).strip("_0123456789")[:64]
