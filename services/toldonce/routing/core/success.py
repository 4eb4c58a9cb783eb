"""Who resolves what, and in what time: learned from how the cases of first owners ended.

What is known of few is drawn towards what is known of many: an agent's share and mean towards those
of the group on the same subject, these towards everybody's on it, these towards everybody's on
anything. At each level the wider estimate counts for PRIOR cases more: the mean of a beta-binomial
(for times, gamma) posterior with a prior of fixed weight, an empirical Bayes estimate (Efron and
Morris 1975). PRIOR is `p (1 - p) / tau^2 - 1` for p = .8 and agents who differ by tau = .09.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from toldonce.kernel.instants import MINUTE, SECOND
from toldonce.kernel.story.types import Case

PRIOR: Final = 20
HALVED_AT: Final = 1_000  # cases; so a change shows within some hundreds
RECORDS_MAX: Final = 100_000
TOOK_MAX_US: Final = 24 * 60 * MINUTE  # one case left lying says little of the others
MILLI: Final = 1_000
_UNKNOWN: Final = "unknown"
_SPEED_MIN: Final = MILLI // 2
_SPEED_MAX: Final = 2 * MILLI

type Key = tuple[str, str, str]  # subject, group, agent; "" is all of them
type Known = tuple[str, str, str, int, int, int]  # a key; cases, resolved, microseconds


class Estimate(NamedTuple):
    """Thousandths resolved and microseconds a case; `cases` is how many are its own."""

    resolved: int
    took_us: int
    cases: int


NOTHING: Final = Estimate(MILLI // 2, 5 * MINUTE, 0)


class Record:
    """How the cases of somebody ended; older ones count for half at every HALVED_AT."""

    __slots__ = ("cases", "resolved", "took_us")

    def __init__(self, cases: int = 0, resolved: int = 0, took_us: int = 0) -> None:
        """Know of so many, of which so many were resolved, in so many microseconds together."""
        self.cases = cases
        self.resolved = resolved
        self.took_us = took_us

    def see(self, took_us: int, *, resolved: bool) -> None:
        """Learn of one case more."""
        if self.cases >= HALVED_AT:
            self.cases //= 2
            self.resolved //= 2
            self.took_us //= 2
        self.cases += 1
        self.resolved += resolved
        self.took_us += took_us

    def plus(self, other: "Record") -> "Record":
        """Put what was seen later on top of this."""
        cases = self.cases + other.cases
        parts = 1 + cases // (HALVED_AT + 1)
        return Record(
            cases // parts,
            (self.resolved + other.resolved) // parts,
            (self.took_us + other.took_us) // parts,
        )

    def drawn(self, prior: Estimate) -> Estimate:
        """Estimate by what is known here, drawn towards `prior`."""
        whole = self.cases + PRIOR
        resolved = MILLI * self.resolved + PRIOR * prior.resolved
        took_us = (self.took_us + PRIOR * prior.took_us) // whole
        return Estimate((resolved + whole // 2) // whole, max(took_us, SECOND), self.cases)


class Successes:
    """All records, those not heard of for longest first: beyond RECORDS_MAX they are forgotten."""

    def __init__(self, seed: str) -> None:
        """Know nothing yet; by `seed` it is drawn when what is known counts (`cycles`)."""
        self.seed = seed
        self._records: dict[Key, Record] = {}

    def see(self, subject: str, group: str, agent: str, took_us: int, *, resolved: bool) -> None:
        """Learn how a case ended that this agent had first."""
        records = self._records
        for key in _keys(subject, group, agent):
            record = records.pop(key, None) or Record()
            record.see(min(took_us, TOOK_MAX_US), resolved=resolved)
            records[key] = record
        while len(records) > RECORDS_MAX:
            del records[next(iter(records))]

    def undo(self, subject: str, group: str, agent: str) -> None:
        """Learn that a case was not resolved after all."""
        for key in _keys(subject, group, agent):
            record = self._records.get(key)
            if record is not None:
                record.resolved = max(0, record.resolved - 1)

    def of_subject(self, subject: str) -> Estimate:
        """Estimate what anybody does with a subject."""
        return self._drawn((subject, "", ""), self._drawn(("", "", ""), NOTHING))

    def of_group(self, subject: str, group: str) -> Estimate:
        """Estimate what somebody of a group does ("" for who is in none)."""
        everybody = self.of_subject(subject)
        return self._drawn((subject, group, ""), everybody) if group else everybody

    def of(self, subject: str, agent: str, prior: Estimate) -> Estimate:
        """Estimate what an agent does, of whose group `prior` is known."""
        return self._drawn((subject, "", agent), prior)

    def known(self) -> tuple[Known, ...]:
        """Tell what is known, in the order in which it would be forgotten."""
        return tuple(
            [(*key, one.cases, one.resolved, one.took_us) for key, one in self._records.items()]
        )

    def learn(self, known: Iterable[Known]) -> None:
        """Take over what another knew before; what is known here comes on top of it."""
        later, self._records = self._records, {}
        for subject, group, agent, cases, resolved, took_us in known:
            self._records[subject, group, agent] = Record(cases, resolved, took_us)
        for key, record in later.items():
            before = self._records.pop(key, None)
            self._records[key] = record if before is None else before.plus(record)

    def _drawn(self, key: Key, prior: Estimate) -> Estimate:
        record = self._records.get(key)
        return prior._replace(cases=0) if record is None else record.drawn(prior)


def rate(one: Estimate, average: Estimate) -> int:
    """Say how many thousandths of a case one resolves in the time that a case takes on average.

    That is p mu, by which to rank servers who may fail (de Vericourt and Zhou 2005; Mehrotra, Ross,
    Ryder and Zhou 2012), in units of the average mu.
    """
    return one.resolved * speed(one, average) // MILLI


def speed(one: Estimate, average: Estimate) -> int:
    """Say how quick one is, in thousandths of the average; half to double at most."""
    return min(max(MILLI * average.took_us // one.took_us, _SPEED_MIN), _SPEED_MAX)


def subject_of(case: Case, by: tuple[str, ...]) -> str:
    """Say what a case is about, by these attributes of it: `topic returns, channel email`."""
    values = {"topic": case.topic, "channel": case.channel, "language": case.language}
    return ", ".join([f"{name} {values[name] or _UNKNOWN}" for name in by])


def _keys(subject: str, group: str, agent: str) -> tuple[Key, ...]:
    if not group:
        return (subject, "", agent), (subject, "", ""), ("", "", "")
    return (subject, "", agent), (subject, group, ""), (subject, "", ""), ("", "", "")
