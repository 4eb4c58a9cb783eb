"""Ways that lead back to where they began: work on them would go round for ever."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edge:
    """Work can go from one queue to another; `path` is the key that says so."""

    path: str
    start: str
    end: str


def circles(edges: Iterable[Edge]) -> Iterator[tuple[Edge, ...]]:
    """Give circles until every queue that is on one was in one: each once, the shortest there are.

    A circle begins at the queue whose edge was given first.
    """
    onward: dict[str, list[Edge]] = {}
    for edge in edges:
        onward.setdefault(edge.start, []).append(edge)
    told: set[frozenset[str]] = set()
    for start in _turning(onward):
        circle = _back_to(start, onward)
        if circle and (on_it := frozenset(edge.start for edge in circle)) not in told:
            told.add(on_it)
            yield circle


def rounds(climbs: Iterable[tuple[int, Edge]]) -> Iterator[tuple[Edge, ...]]:
    """Give ways back to a queue along rungs that only rise, as a case climbs them; one a queue.

    Each edge has the number of its rung. At most as many steps as there are rungs.
    """
    onward: dict[str, list[tuple[int, Edge]]] = {}
    for rung, edge in climbs:
        onward.setdefault(edge.start, []).append((rung, edge))
    for start in onward:
        reached: dict[tuple[str, int], tuple[Edge, ...]] = {(start, 0): ()}
        waiting = deque(reached)
        while waiting:
            place = waiting.popleft()
            for rung, edge in onward.get(place[0], ()):
                if rung <= place[1] or (edge.end, rung) in reached:
                    continue
                reached[edge.end, rung] = (*reached[place], edge)
                waiting.append((edge.end, rung))
        back = [way for (queue, rung), way in reached.items() if queue == start and rung]
        if back:
            yield min(back, key=len)


def said(circle: tuple[Edge, ...]) -> str:
    """Write a circle as `a -> b -> a`."""
    return " -> ".join([circle[0].start, *(edge.end for edge in circle)])


def _turning(onward: dict[str, list[Edge]]) -> list[str]:
    """Leave out what ends sooner or later, as nearly everything does; the rest in its order."""
    before: dict[str, list[str]] = {}
    left = {start: len(edges) for start, edges in onward.items()}
    for start, edges in onward.items():
        for edge in edges:
            before.setdefault(edge.end, []).append(start)
    ended = deque(end for end in before if end not in left)
    while ended:
        for start in before.get(ended.popleft(), ()):
            left[start] -= 1
            if not left[start]:
                ended.append(start)
    return [start for start in onward if left[start]]


def _back_to(start: str, onward: dict[str, list[Edge]]) -> tuple[Edge, ...]:
    """Find the shortest way from a queue back to it, or ()."""
    came: dict[str, Edge] = {}
    waiting = deque([start])
    while waiting:
        for edge in onward.get(waiting.popleft(), ()):
            if edge.end == start:
                return _way(edge, start, came)
            if edge.end not in came:
                came[edge.end] = edge
                waiting.append(edge.end)
    return ()


def _way(last: Edge, start: str, came: dict[str, Edge]) -> tuple[Edge, ...]:
    way = [last]
    while way[-1].start != start:
        way.append(came[way[-1].start])
    return tuple(reversed(way))
