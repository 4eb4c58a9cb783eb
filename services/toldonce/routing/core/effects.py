"""What learned success does: cases decided while it counted beside those decided while it did not.

Both are summed in pairs of intervals (see `cycles`), the latest PAIRS_MAX of a policy. The lift is
the difference of the two shares resolved. Its half-width takes each pair as one observation: cases
of one hour share their hour. It is the linearised variance of a difference of ratios of cluster
totals (Cochran 1977, chapter 6), by Student's t of pairs - 1 degrees of freedom.
"""

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Final, NamedTuple

from toldonce.kernel.config.success import Mode
from toldonce.kernel.instants import SECOND
from toldonce.routing.core.types import Arm, Draw

PAIRS_MAX: Final = 512
_PAIRS_MIN: Final = 5
_Z: Final = 1.959964  # the normal quantile of .975

type Sum = tuple[str, int, int, int, int, int, int, int]


class Share(NamedTuple):
    """So many cases that ended, of which so many were resolved, in so many seconds together."""

    cases: int
    resolved: int
    took_s: float

    @property
    def mean_s(self) -> float:
        """Seconds a case, 0 where there is none."""
        return self.took_s / self.cases if self.cases else 0.0


class Lift(NamedTuple):
    """What success does under a policy; None until enough is known to say how sure that is.

    `lift` is a difference of shares and `half_width` that of its interval of 95 percent.
    A shadow was `asked` so often and would have chosen somebody else in `otherwise` of these.
    """

    policy: str
    mode: Mode
    on: Share
    off: Share
    lift: float | None
    half_width: float | None
    asked: int
    otherwise: int


class Effects:
    """Sums of each policy."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._pairs: dict[str, dict[int, list[int]]] = {}
        self._shadows: dict[str, list[int]] = {}

    def see(self, policy: str, drawn: Draw, took_us: int, *, resolved: bool) -> None:
        """Count a case that ended."""
        if drawn.arm is Arm.ON or drawn.arm is Arm.OFF:
            pairs = self._pairs.setdefault(policy, {})
            sums = pairs.get(drawn.pair_us)
            if sums is None:
                sums = pairs[drawn.pair_us] = [0] * 6
                if len(pairs) > PAIRS_MAX:
                    del pairs[min(pairs)]
            at = 0 if drawn.arm is Arm.ON else 3
            sums[at] += 1
            sums[at + 1] += resolved
            sums[at + 2] += took_us

    def undo(self, policy: str, drawn: Draw) -> None:
        """Count a case as not resolved after all."""
        sums = self._pairs.get(policy, {}).get(drawn.pair_us)
        if sums is not None and (drawn.arm is Arm.ON or drawn.arm is Arm.OFF):
            sums[1 if drawn.arm is Arm.ON else 4] -= 1

    def shadow(self, policy: str, *, otherwise: bool) -> None:
        """Count a choice of a shadow."""
        counts = self._shadows.setdefault(policy, [0, 0])
        counts[0] += 1
        counts[1] += otherwise

    def lifts(self, policies: Mapping[str, Mode]) -> tuple[Lift, ...]:
        """Say what is known of each of these, whatever is done with it now."""
        return tuple([self._lift(policy, mode) for policy, mode in policies.items()])

    def known(self) -> tuple[tuple[Sum, ...], tuple[tuple[str, int, int], ...]]:
        """Tell what is known: sums of pairs, then how shadows chose."""
        sums = [
            (policy, pair_us, *_six(row))
            for policy, pairs in self._pairs.items()
            for pair_us, row in pairs.items()
        ]
        return tuple(sums), tuple([(name, row[0], row[1]) for name, row in self._shadows.items()])

    def learn(self, sums: Iterable[Sum], shadows: Iterable[tuple[str, int, int]]) -> None:
        """Take over what another knew before; what is known here comes on top of it."""
        for policy, pair_us, *row in sums:
            known = self._pairs.setdefault(policy, {})
            before = known.get(pair_us, [0] * 6)
            known[pair_us] = [one + more for one, more in zip(before, row, strict=True)]
            if len(known) > PAIRS_MAX:
                del known[min(known)]
        for policy, asked, otherwise in shadows:
            counts = self._shadows.setdefault(policy, [0, 0])
            counts[0] += asked
            counts[1] += otherwise

    def _lift(self, policy: str, mode: Mode) -> Lift:
        rows = list(self._pairs.get(policy, {}).values())
        on, off = _share(rows, 0), _share(rows, 3)
        asked, otherwise = self._shadows.get(policy, (0, 0))
        if not (on.cases and off.cases and len(rows) >= _PAIRS_MIN):
            return Lift(policy, mode, on, off, None, None, asked, otherwise)
        p_on, p_off = on.resolved / on.cases, off.resolved / off.cases
        free = len(rows) - 1
        left = [
            (row[1] - p_on * row[0]) / on.cases - (row[4] - p_off * row[3]) / off.cases
            for row in rows
        ]
        variance = len(rows) / free * sum(one * one for one in left)
        half_width = _student(free) * sqrt(variance)
        return Lift(policy, mode, on, off, p_on - p_off, half_width, asked, otherwise)


def _share(rows: list[list[int]], at: int) -> Share:
    took_us = sum(row[at + 2] for row in rows)
    return Share(sum(row[at] for row in rows), sum(row[at + 1] for row in rows), took_us / SECOND)


def _six(row: list[int]) -> tuple[int, int, int, int, int, int]:
    return row[0], row[1], row[2], row[3], row[4], row[5]


def _student(free: int) -> float:
    """Approximate the quantile of .975 of Student's t (Abramowitz and Stegun 26.7.5)."""
    z = _Z
    found = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return found + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
