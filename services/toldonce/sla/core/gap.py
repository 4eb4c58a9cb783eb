"""The channel gap: each figure of each channel beside that of all channels together.

`FIGURES` is the one place where a figure is defined, in words and in counts. The mean is that of
all cases counted, whatever their channel: what one case gets on average, so a channel weighs as
much as it is used. The gap is the channel's value less that mean.

A gap is sure when it is larger than its half-width. With w the channel's part of what is counted,
the gap is (1 - w) times the channel's difference from all others, two independent samples, hence
half-width = (1 - w) (z sqrt(v_c / n_c + v_o / n_o) + |d - d'|). v is p (1 - p) of a share, each
sample with one more on either side (Agresti and Caffo 2000: right for few and for none). So counted
the difference d is d', about which their interval lies; what lies between the two widens ours, so
that a gap of a few is sure only where theirs leaves 0 out. Of waits v is the sample variance, d' is
d, and fewer than 30 on either side say nothing. z is such that of all channels of one figure
together one in 20 times some gap is called sure that is noise (Bonferroni); waits are skewed, so
there this is rough.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from toldonce.sla.core.counts import Count, Counts

WAITS_MIN = 30
_ERROR = 0.05
_MILLI = 1_000


@dataclass(frozen=True, slots=True)
class Share:
    """A part of cases: those in `of` that are in `hits` too."""

    name: str
    formula: str
    hits: Count
    of: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of waits in business seconds; `n`, `ms` and `ms2` are their counts."""

    name: str
    formula: str
    n: Count
    ms: Count
    ms2: Count


type Figure = Share | Mean

FIGURES: tuple[Figure, ...] = (
    Share(
        "service_level",
        "first answers by a person within the target / (those and later ones with a target + "
        "customers who went away unanswered)",
        Count.ANSWER_IN_TIME,
        (Count.ANSWER_AIMED, Count.ANSWER_LEFT_EARLY, Count.ANSWER_LEFT_LATE),
    ),
    Share(
        "service_level_less_early",
        "the same, customers who went away unanswered before the target left out",
        Count.ANSWER_IN_TIME,
        (Count.ANSWER_AIMED, Count.ANSWER_LEFT_LATE),
    ),
    Share(
        "wait_service_level",
        "waits that a person ended as owner within the target / (those and longer ones with a "
        "target + customers who went away waiting)",
        Count.WAIT_IN_TIME,
        (Count.WAIT_AIMED, Count.WAIT_LEFT_EARLY, Count.WAIT_LEFT_LATE),
    ),
    Share(
        "wait_service_level_less_early",
        "the same, customers who went away waiting before the target left out",
        Count.WAIT_IN_TIME,
        (Count.WAIT_AIMED, Count.WAIT_LEFT_LATE),
    ),
    Mean(
        "first_response",
        "mean business time to the first answer by a person, of cases that got one",
        Count.ANSWER_N,
        Count.ANSWER_MS,
        Count.ANSWER_MS2,
    ),
    Mean(
        "queue_wait",
        "mean business time to an owner who is a person, of waits that one ended",
        Count.WAIT_N,
        Count.WAIT_MS,
        Count.WAIT_MS2,
    ),
    Share(
        "first_owner",
        "cases that their first owner resolved / cases of which that was said at the end; a "
        "reopened one was not",
        Count.FIRST_YES,
        (Count.FIRST_YES, Count.FIRST_NO),
    ),
    Share(
        "retold",
        "cases whose customer had to tell it again / cases of which that was said at the end",
        Count.RETOLD_YES,
        (Count.RETOLD_YES, Count.RETOLD_NO),
    ),
    Share(
        "abandoned",
        "cases whose customer went away / (those + cases closed)",
        Count.ABANDONED,
        (Count.ABANDONED, Count.CLOSED),
    ),
    Share(
        "unanswered",
        "cases that a person closed and nobody had answered / cases closed",
        Count.UNANSWERED,
        (Count.CLOSED,),
    ),
    Share(
        "breached",
        "cases of which a clock was recorded as past due / cases that ended under an SLA policy",
        Count.BREACHED,
        (Count.AIMED,),
    ),
    Share(
        "commitments_kept",
        "commitments kept / (kept + broken)",
        Count.KEPT,
        (Count.KEPT, Count.BROKEN),
    ),
    Share(
        "closed_by_bot",
        "cases closed by a bot / cases closed",
        Count.CLOSED_BY_BOT,
        (Count.CLOSED,),
    ),
)

WAITS = frozenset(figure.name for figure in FIGURES if isinstance(figure, Mean))


@dataclass(frozen=True, slots=True)
class Standing:
    """A figure of one channel beside all: shares from 0 to 1, waits in seconds, None: unknown.

    `count` is what the value is made of; `half_width` is that of the gap. `sure`: it is no noise.
    """

    channel: str
    figure: str
    value: float | None
    mean: float | None
    gap: float | None
    half_width: float | None
    count: int
    sure: bool


def table(by_channel: Mapping[str, Counts]) -> tuple[Standing, ...]:
    """Compare the channels in every figure, in the order of FIGURES, then by channel."""
    names = sorted(by_channel)
    return tuple(
        standing
        for figure in FIGURES
        for standing in _figure(figure, {name: by_channel[name] for name in names})
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """So many, what they add up to, and the sum of their squares."""

    n: int
    total: float
    squares: float

    def less(self, other: "_Sample") -> "_Sample":
        return _Sample(self.n - other.n, self.total - other.total, self.squares - other.squares)

    @property
    def mean(self) -> float:
        return self.total / self.n


def _figure(figure: Figure, by_channel: Mapping[str, Counts]) -> Iterable[Standing]:
    samples = {name: _sample(figure, counts) for name, counts in by_channel.items()}
    together = Counter[str]()
    for counts in by_channel.values():
        together.update(counts)  # not `+`, which would drop what was taken back
    all_of_them = _sample(figure, together)
    counted = sum(sample.n > 0 for sample in samples.values())
    for name, own in samples.items():
        if not own.n:
            mean = all_of_them.mean if all_of_them.n else None
            yield Standing(name, figure.name, None, mean, None, None, 0, sure=False)
            continue
        gap = own.mean - all_of_them.mean
        half = _half_width(figure, own, all_of_them.less(own), counted)
        sure = half is not None and abs(gap) > half
        yield Standing(name, figure.name, own.mean, all_of_them.mean, gap, half, own.n, sure)


def _sample(figure: Figure, counts: Counts) -> _Sample:
    match figure:
        case Share(hits=hits, of=of):
            n = max(0, sum(counts[one] for one in of))
            in_it = min(max(0, counts[hits]), n)
            return _Sample(n, in_it, in_it)
        case Mean(n=n_of, ms=ms, ms2=ms2):
            return _Sample(counts[n_of], counts[ms] / _MILLI, counts[ms2] / _MILLI**2)


def _half_width(figure: Figure, own: _Sample, others: _Sample, channels: int) -> float | None:
    """Give the half-width of a channel's gap; None where too little is known of either side."""
    if not others.n:
        return None
    match figure:
        case Share():
            spread = _share_variance(own) + _share_variance(others)
            moved = abs((own.mean - others.mean) - (_share(own) - _share(others)))
        case Mean():
            if min(own.n, others.n) < WAITS_MIN:
                return None
            spread = _mean_variance(own) + _mean_variance(others)
            moved = 0.0
    z = NormalDist().inv_cdf(1 - _ERROR / (2 * channels))
    return others.n / (own.n + others.n) * (z * sqrt(spread) + moved)


def _share(sample: _Sample) -> float:
    return (sample.total + 1) / (sample.n + 2)


def _share_variance(sample: _Sample) -> float:
    p = _share(sample)
    return p * (1 - p) / (sample.n + 2)


def _mean_variance(sample: _Sample) -> float:
    deviations = max(0.0, sample.squares - sample.total**2 / sample.n)
    return deviations / (sample.n - 1) / sample.n
