"""Queues whose answers are known: the closed forms that simulations are held against.

Every queue here has Poisson arrivals and exponential services; one class of calls, agents alike,
first come first served, in the steady state. Rates are per unit of time, whichever the caller
uses throughout (the tests use minutes), and answers come in the same unit; loads are in Erlang
(arrival rate / service rate), probabilities between 0 and 1. A wait is the time in queue, without
the service. What is impossible, or has no steady state, raises `Invalid` and names the field.

Sources, by formula: Erlang (1917) for B and C; Palm (1957) and Garnett, Mandelbaum and Reiman
(2002) for A; Halfin and Whitt (1981) for the many-server limit and staffing by square root.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from math import ceil, exp, fsum, isfinite, log, sqrt
from statistics import NormalDist

from toldonce.kernel.errors import Invalid
from toldonce.lab.chains import STATES_MAX, mean_queue, over_arrivals, steady_law, worth_by_place

AGENTS_MAX = 1_000_000

_TAIL_LOG = log(1e-16)
_NORMAL = NormalDist()


def erlang_b(agents: int, load: float) -> float:
    """Give the share of calls lost when nobody can wait: M/M/n/n at `load` Erlang.

    B(0) = 1 and B(k) = A B(k-1) / (k + A B(k-1)). Raises Invalid.
    """
    _whole("agents", agents, least=0)
    _positive("load", load)
    blocked = 1.0
    for k in range(1, agents + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(agents: int, load: float) -> float:
    """Give the probability that a call must wait: M/M/n at `load` Erlang.

    C = n B / (n - A (1 - B)). Raises Invalid, also when the load is not below the agents.
    """
    _whole("agents", agents)
    _positive("load", load)
    if load >= agents:
        raise Invalid("load", f"{load} Erlang is not below {agents} agents: the queue only grows")
    blocked = erlang_b(agents, load)
    return agents * blocked / (agents - load * (1 - blocked))


def mm1_mean_wait(arrival_rate: float, service_rate: float) -> float:
    """Give the mean wait before one agent, M/M/1: rho / (mu - lambda). Raises Invalid."""
    return ErlangC(arrival_rate, service_rate, 1).mean_wait


def halfin_whitt(beta: float) -> float:
    """Give the limit of P(wait > 0) for many agents, n = R + beta sqrt(R), beta > 0.

    1 / (1 + beta Phi(beta) / phi(beta)); R is the load in Erlang. Raises Invalid.
    """
    _positive("beta", beta)
    density = _NORMAL.pdf(beta)
    return density / (density + beta * _NORMAL.cdf(beta))


def square_root_staffing(load: float, beta: float) -> int:
    """Give the fewest agents that are at least R + beta sqrt(R). Raises Invalid."""
    _positive("load", load)
    if not isfinite(beta):
        raise Invalid("beta", f"is a finite number, not {beta}")
    return max(0, ceil(load + beta * sqrt(load)))


@dataclass(frozen=True, slots=True)
class ErlangC:
    """M/M/n: everyone waits as long as it takes. Raises Invalid when it has no steady state."""

    arrival_rate: float
    service_rate: float
    agents: int
    delay: float = field(init=False)
    """P(wait > 0)."""

    def __post_init__(self) -> None:
        _rates(self.arrival_rate, self.service_rate)
        delay = erlang_c(self.agents, self.arrival_rate / self.service_rate)
        object.__setattr__(self, "delay", delay)

    @property
    def mean_wait(self) -> float:
        """Mean wait over all calls (the average speed of answer): C / (n mu - lambda)."""
        return self.delay / (self.agents * self.service_rate - self.arrival_rate)

    def within(self, target: float) -> float:
        """Give P(wait <= target): 1 - C exp(-(n mu - lambda) target). Raises Invalid."""
        _target(target)
        spare = self.agents * self.service_rate - self.arrival_rate
        return 1 - self.delay * exp(-spare * target)


@dataclass(frozen=True, slots=True)
class LimitedLines:
    """M/M/n/K: a call that finds all K >= n lines taken is blocked. Raises Invalid."""

    arrival_rate: float
    service_rate: float
    agents: int
    lines: int
    law: tuple[float, ...] = field(init=False, repr=False)
    """Probability of 0, 1, ... K calls in the system."""

    def __post_init__(self) -> None:
        _rates(self.arrival_rate, self.service_rate)
        _whole("agents", self.agents)
        _whole("lines", self.lines, least=self.agents, most=STATES_MAX)
        ratios = (
            self.arrival_rate / (min(j, self.agents) * self.service_rate) for j in count(start=1)
        )
        object.__setattr__(self, "law", steady_law(islice(ratios, self.lines)))

    @property
    def blocking(self) -> float:
        """Share of calls blocked: p_K."""
        return self.law[-1]

    @property
    def mean_wait(self) -> float:
        """Mean wait of a call that enters: E[(j - n)+] / (lambda (1 - p_K))."""
        return mean_queue(self.law, self.agents) / (self.arrival_rate * (1 - self.blocking))

    def within(self, target: float) -> float:
        """Give P(wait <= target) of a call that enters. Raises Invalid.

        One that finds j >= n waits for j - n + 1 ends of service, an Erlang law.
        """
        _target(target)
        ends = self.service_rate * self.agents
        served = worth_by_place(self.lines - self.agents, ends, 0.0, target, waits=0.0)
        return over_arrivals(self.law[:-1], self.agents, served) / (1 - self.blocking)


@dataclass(frozen=True, slots=True)
class ErlangA:
    """M/M/n+M: each waiting call gives up at `patience_rate`; always stable. Raises Invalid."""

    arrival_rate: float
    service_rate: float
    agents: int
    patience_rate: float
    law: tuple[float, ...] = field(init=False, repr=False)
    """Probability of 0, 1, ... calls in the system, up to where the rest is negligible."""

    def __post_init__(self) -> None:
        _rates(self.arrival_rate, self.service_rate)
        _whole("agents", self.agents)
        _positive("patience_rate", self.patience_rate)
        object.__setattr__(self, "law", steady_law(self._ratios()))

    def _ratios(self) -> Iterator[float]:
        """Give birth / death of states 1, 2, ... until what lies beyond is negligible."""
        below_top = 0.0  # logarithm of the last state's height over the highest's; at most 0
        for j in count(start=1):
            busy, waiting = min(j, self.agents), max(0, j - self.agents)
            ratio = self.arrival_rate / (busy * self.service_rate + waiting * self.patience_rate)
            yield ratio
            below_top = min(0.0, below_top + log(ratio))
            if waiting and ratio < 1 and below_top + log(ratio / (1 - ratio)) < _TAIL_LOG:
                return

    @property
    def delay(self) -> float:
        """P(wait > 0): an arrival finds every agent busy."""
        return fsum(self.law[self.agents :])

    @property
    def abandonment(self) -> float:
        """Share of calls that give up: theta E[queue] / lambda."""
        return self.patience_rate * self.mean_wait

    @property
    def mean_wait(self) -> float:
        """Mean wait over all calls, served or not: E[queue] / lambda."""
        return mean_queue(self.law, self.agents) / self.arrival_rate

    def service_level(self, target: float) -> float:
        """Give served within `target` / (served + given up after `target`). Raises Invalid.

        By the transient law of the pure death chain that starts at the arrival's place in queue.
        """
        _target(target)
        places, ends = len(self.law) - self.agents, self.service_rate * self.agents
        served = worth_by_place(places, ends, self.patience_rate, target, waits=0.0)
        stayed = worth_by_place(places, ends, self.patience_rate, target, waits=1.0)
        return over_arrivals(self.law, self.agents, served) / over_arrivals(
            self.law, self.agents, stayed
        )


def _rates(arrival_rate: float, service_rate: float) -> None:
    _positive("arrival_rate", arrival_rate)
    _positive("service_rate", service_rate)


def _positive(name: str, value: float) -> None:
    if not (isfinite(value) and value > 0):
        raise Invalid(name, f"is a number above 0, not {value}")


def _target(target: float) -> None:
    if not (isfinite(target) and target >= 0):
        raise Invalid("target", f"is a time of 0 or more, not {target}")


def _whole(name: str, value: int, *, least: int = 1, most: int = AGENTS_MAX) -> None:
    if not least <= value <= most:
        raise Invalid(name, f"is a whole number from {least} to {most}, not {value}")
