"""Work of a kind stands in the order in which it came, whatever came back when."""

import random
from dataclasses import replace

from tests.unit.routing.world import START, World, cid, office, own, person
from toldonce.kernel.instants import micros
from toldonce.kernel.skills import Requirement
from toldonce.kernel.story.types import Case
from toldonce.routing.core.kinds import WorkKind
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Item
from toldonce.routing.core.tallies import Count, Tally


def case_of(name: str) -> Case:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact(name)
    return world.case(name)


CASE = case_of("kim")


class Line:
    """One kind of work, and who stands in it by the plain rule."""

    def __init__(self) -> None:
        key = ("billing", (), "en", 1, 0, True)
        rules = Rules(office(person("anna")), "demo").queue("billing")
        self.kind = WorkKind(key, Requirement("billing"), Tally(Count(Count())), rules)
        self.stamp = 0
        self.items: dict[str, Item] = {}

    def put(self, name: str, age: int) -> None:
        item = Item(cid(name), replace(CASE, own=own(name)))
        item.enqueued_us = micros(START) + age
        self.items[name] = item
        self.stamp += 1
        self.kind.put(item, self.stamp, special=False)

    def take(self, name: str) -> None:
        self.stamp += 1
        self.kind.take(self.items.pop(name), self.stamp, special=False)

    def check(self) -> None:
        first = min(self.items.values(), key=lambda i: (i.enqueued_us, i.own), default=None)
        assert self.kind.head is first


def test_older_work_comes_before_one_who_came_back_when_the_line_was_empty():
    line = Line()
    line.put("new", 10)
    line.put("back", 5)
    line.put("later", 7)
    line.take("new")
    line.take("back")
    line.check()
    line.put("oldest", 3)
    line.check()
    assert line.kind.head is line.items["oldest"]


def test_first_in_line_is_always_the_oldest():
    for seed in range(300):
        rng, line = random.Random(seed), Line()  # noqa: S311
        for number in range(60):
            if line.items and rng.random() < 0.5:
                line.take(rng.choice(list(line.items)))
            else:
                line.put(f"n{number}", rng.randrange(40))
            line.check()
