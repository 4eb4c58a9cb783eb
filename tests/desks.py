"""A desk on paper: customers come, wait in order, may give up, and are served by the first free.

First come, first served by n alike: so the wait of each is known when they come, also the wait that
one who gave up would have had (the least of the servers' free times then, which those who gave up
do not move).
"""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from toldonce.routing.core.expecting import Band
from toldonce.routing.handler.line import Line, Wait

BEGINS_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
AT_ONCE_S = 0.01  # what an engine takes when somebody is free
type Draw = Callable[[random.Random], float]


@dataclass(frozen=True, slots=True)
class Desk:
    """So many servers, customers a second, and mean seconds; `patience_s` 0: nobody gives up."""

    servers: int
    per_s: float
    serve_s: Draw
    answer_s: float = 5.0
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a customer who stood in line was told, and how long it takes for whoever stays."""

    said: Band
    wait_s: float
    served: bool


def play(desk: Desk, customers: int, seed: int) -> tuple[Line, list[Heard]]:
    """Let so many come; the line, and what those heard who stood in it and were told something."""
    line = Line("desk")
    waits: dict[int, Wait] = {}
    heard: list[Heard] = []
    truth: dict[int, float] = {}
    for at_s, _, what, who, wait_s in sorted(_events(desk, customers, random.Random(seed))):  # noqa: S311
        at = BEGINS_AT + timedelta(seconds=at_s)
        match what:
            case "comes":
                wait = waits[who] = Wait(line, 100, at)
                truth[who] = wait_s
                line.enter(wait, at)
                wait.say(line.place(100), at)
            case "asked":
                waits[who].see(at, on_offer=True)
            case _:
                wait = waits.pop(who)
                served = what == "served"
                wait.end(at, served=served)
                stood = not served or wait_s > AT_ONCE_S
                if wait.said is not None and stood:
                    heard.append(Heard(wait.said, truth[who], served))
    return line, heard


def _events(
    desk: Desk, customers: int, rng: random.Random
) -> Iterator[tuple[float, int, str, int, float]]:
    free = [0.0] * desk.servers
    now_s = 0.0
    for who in range(customers):
        now_s += rng.expovariate(desk.per_s)
        stands_s = max(AT_ONCE_S, free[0] - now_s)
        patience_s = rng.expovariate(1.0 / desk.patience_s) if desk.patience_s else float("inf")
        answer_s, serve_s = rng.expovariate(1.0 / desk.answer_s), desk.serve_s(rng)
        yield now_s, 0, "comes", who, stands_s + answer_s
        if patience_s < stands_s:
            yield now_s + patience_s, 1, "leaves", who, stands_s
            continue
        heapq.heapreplace(free, now_s + stands_s + answer_s + serve_s)
        yield now_s + stands_s, 2, "asked", who, stands_s
        yield now_s + stands_s + answer_s, 3, "served", who, stands_s


def coverage(heard: list[Heard]) -> float:
    """Give the share of the waits that lay between what was said, those given up included."""
    return sum(one.said.low_s <= one.wait_s <= one.said.high_s for one in heard) / len(heard)
