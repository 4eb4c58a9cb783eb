"""Markov chains in one dimension: birth and death, and pure death, the machinery of the formulas.

A queue is its law (the probability of 0, 1, ... calls in the system) and what becomes of a call
by its place in the queue. Places count from 1, the next to be served.
"""

from collections.abc import Iterable, Sequence
from math import ceil, exp, fsum, log, sqrt

from toldonce.kernel.errors import Invalid

STATES_MAX = 2_000_000  # numbers in system that a law may hold
STEPS_MAX = 20_000_000  # products that one look ahead may cost

_JUMPS = 64.0  # expected jumps in one piece of uniformised time: exp(-64) is far from underflow


def steady_law(ratios: Iterable[float]) -> tuple[float, ...]:
    """Give the steady state of a birth-death chain from birth / death of its states 1, 2, ..."""
    heights = [0.0]  # logarithms, relative to state 0
    for ratio in ratios:
        if len(heights) > STATES_MAX:
            raise Invalid("patience_rate", f"more than {STATES_MAX} calls would be in the system")
        heights.append(heights[-1] + log(ratio))
    top = max(heights)
    weights = [exp(height - top) for height in heights]
    total = fsum(weights)
    return tuple(weight / total for weight in weights)


def mean_queue(law: Sequence[float], agents: int) -> float:
    """Give the mean number of calls waiting."""
    return fsum(waiting * p for waiting, p in enumerate(law[agents:]))


def over_arrivals(law: Sequence[float], agents: int, by_place: Sequence[float]) -> float:
    """Average a worth over what an arrival finds: 1 with an agent free, else by its place."""
    return fsum(law[:agents]) + fsum(
        p * worth for p, worth in zip(law[agents:], by_place[1:], strict=True)
    )


def worth_by_place(
    places: int, ends: float, gives_up: float, target: float, *, waits: float
) -> list[float]:
    """Give E[worth at `target`] of a call in each place 0 .. `places` of the queue.

    A call in place k moves up at rate ends + (k - 1) gives_up and leaves at rate gives_up. Being
    served (place 0) is worth 1, having given up 0, waiting still `waits`. By uniformisation, in
    pieces of time short enough for the Poisson weights to be exact.
    """
    pace = ends + places * gives_up
    pieces = max(1, ceil(pace * target / _JUMPS))
    mean = pace * target / pieces
    jumps = ceil(mean + 9 * sqrt(mean) + 20)
    if pieces * jumps * places > STEPS_MAX:
        raise Invalid("target", f"{target} is too long for {places} places in the queue")
    worth = [1.0] + [waits] * places
    moves = [0.0] + [(ends + (k - 1) * gives_up) / pace for k in range(1, places + 1)]
    stays = [1.0] + [1 - (ends + k * gives_up) / pace for k in range(1, places + 1)]
    for _ in range(pieces):
        weight = exp(-mean)
        total = [weight * value for value in worth]
        for jump in range(1, jumps + 1):
            worth = [1.0] + [
                moves[k] * worth[k - 1] + stays[k] * worth[k] for k in range(1, places + 1)
            ]
            weight *= mean / jump
            total = [sum_ + weight * value for sum_, value in zip(total, worth, strict=True)]
        worth = total
    return worth
