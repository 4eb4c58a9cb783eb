"""What applying a document does, and what in it is legal but probably not meant.

One document stands per tenant. Applying what already stands changes nothing, whatever revision the
caller expected: so a call that is tried again after it went through is answered as it was. The
dates of its holiday sets are part of it: where these come out otherwise, it is another document.
"""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.config import NOTHING_EXPANDED, Config, Expansion
from toldonce.kernel.config.linter import Severity, findings
from toldonce.kernel.errors import Conflict, Invalid, Problem

REMARKS_MAX = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """What the table holds: `yaml` None when there is nothing (revision 0) or only a tombstone."""

    revision: int
    yaml: str | None
    expansion: Expansion = NOTHING_EXPANDED


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing is to be written; `revision` stands."""

    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write, provided that `expected` still stands."""

    expected: int


type Verdict = Keep | Put


def decide(
    standing: Standing,
    yaml: str,
    expected: int | None,
    expansion: Expansion = NOTHING_EXPANDED,
) -> Verdict:
    """Say what applying `yaml` does; raises Conflict when another revision is expected."""
    if yaml == standing.yaml and expansion.plain() == standing.expansion.plain():
        return Keep(standing.revision)
    stands = standing.revision if standing.yaml is not None else 0
    if expected is not None and expected != stands:
        raise Conflict(
            f"revision {stands} stands, not {expected}: read it again and apply your change to it",
            stands,
        )
    return Put(standing.revision)


def remarks(config: Config, now: datetime) -> tuple[str, ...]:
    """Say what is legal but probably not meant; raises Invalid for what can never work."""
    found = findings(config, now=now)
    wrong = [Problem(one.field, one.sentence) for one in found if one.severity is Severity.ERROR]
    if wrong:
        first, *rest = wrong
        raise Invalid(first.field, first.sentence, *rest)
    return tuple(one.sentence for one in found)[:REMARKS_MAX]
