"""The static planning linear programme, in plain numbers.

    min rho   s.t.  sum_g mu_kg x_kg = lambda_k for every k,  sum_k x_kg <= rho N_g,  x >= 0

lambda_k is what arrives of k in a unit of time, N_g how many servers are of group g, mu_kg what one
of them finishes of k in that time (0: cannot), x_kg how many of them work on k. rho < 1 is
necessary for waits to stay bounded, whatever the routing (Harrison and Lopez 1999). Its prices say
where the shortage is: at the optimum sum_k price_k lambda_k = rho, so what has a price shares it.

Where rho > 1, the fluid bound says how much is left over under any routing: min sum_k y_k with y_k
of lambda_k left out, and N_g as it is.

The solver comes as an argument: this module is pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A linear form, as (column, factor), and what it equals or stays under."""

    entries: tuple[tuple[int, float], ...]
    bound: float


@dataclass(frozen=True, slots=True)
class Program:
    """Minimise `cost` . x subject to the rows, x >= 0."""

    cost: tuple[float, ...]
    equal: tuple[Row, ...]
    at_most: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """An optimum: x, and the price of each row of `equal` (what its bound costs a unit more)."""

    x: Sequence[float]
    prices: Sequence[float]


type Solver = Callable[[Program], Solution]


def utilisation(
    arrivals: Sequence[float],
    speeds: Sequence[Sequence[float]],
    sizes: Sequence[float],
    solve: Solver,
) -> tuple[float, Sequence[float]]:
    """Return rho and the price of each k, from lambda[k], mu[k][g] and N[g] in the same time unit.

    Every k needs somebody: without, the programme has no solution.
    """
    equal, used = _rows(arrivals, speeds, len(sizes))
    count = sum(len(row.entries) for row in equal)
    crowd = tuple(
        Row((*row, (count, -size)), 0.0) for row, size in zip(used, sizes, strict=True) if row
    )
    found = solve(Program((0.0,) * count + (1.0,), tuple(equal), crowd))
    return found.x[count], found.prices


def left_over(
    arrivals: Sequence[float],
    speeds: Sequence[Sequence[float]],
    sizes: Sequence[float],
    solve: Solver,
) -> tuple[float, ...]:
    """Return how much of each lambda[k] nobody can carry: the fluid bound, least in total."""
    equal, used = _rows(arrivals, speeds, len(sizes))
    count = sum(len(row.entries) for row in equal)
    lossy = tuple(
        Row((*row.entries, (count + number, 1.0)), row.bound) for number, row in enumerate(equal)
    )
    crowd = tuple(Row(tuple(row), size) for row, size in zip(used, sizes, strict=True) if row)
    found = solve(Program((0.0,) * count + (1.0,) * len(equal), lossy, crowd))
    return tuple(found.x[count:])


def _rows(
    arrivals: Sequence[float], speeds: Sequence[Sequence[float]], groups: int
) -> tuple[list[Row], list[list[tuple[int, float]]]]:
    """Return the rows of the arrivals, with the x_kg numbered, and for each g its x."""
    equal: list[Row] = []
    used: list[list[tuple[int, float]]] = [[] for _ in range(groups)]
    column = 0
    for arriving, row in zip(arrivals, speeds, strict=True):
        entries: list[tuple[int, float]] = []
        for group, speed in enumerate(row):
            if speed:
                entries.append((column, speed))
                used[group].append((column, 1.0))
                column += 1
        equal.append(Row(tuple(entries), arriving))
    return equal, used
