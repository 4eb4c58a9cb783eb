"""Writes journals as an engine that leads does, for tests that read them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from toldonce.kernel.instants import micros
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import Fact
from toldonce.routing.core.record import Body, Piece, Step, Steps, told
from toldonce.routing.wire.journal import write_piece


class Scribe:
    """Keeps the messages of a journal; `base` is where its last snapshot begins."""

    def __init__(self, epoch: int = 1):
        self.epoch = epoch
        self.number = 0
        self.base = 0
        self.messages: list[bytes] = []

    def take_down(self, engine: Engine, *, gap: bool = False) -> None:
        for place, body in enumerate(told(engine.snapshot())):
            base = len(self.messages) + 1
            self.write(body, gap=gap and not place)
            self.base = self.base if place else base

    def go_on(self, engine: Engine, facts: Sequence[tuple[Fact, datetime]], per_piece: int = 3):
        """Have an engine step through facts and write down what it does."""
        steps = [Step(micros(now), (fact,), engine.step_all((fact,), now)) for fact, now in facts]
        for start in range(0, len(steps), per_piece):
            some = tuple(steps[start : start + per_piece])
            self.write(Steps(some), at_us=(some[0].now_us, some[-1].now_us))

    def write(self, body: Body, *, gap: bool = False, at_us: tuple[int, int] = (0, 0)) -> None:
        self.number += 1
        piece = Piece(self.epoch, self.number, self.base, gap, *at_us, body)
        self.messages += write_piece(piece)


def follow(engine: Engine, facts: Iterable[tuple[Fact, datetime]]) -> None:
    for fact, now in facts:
        engine.step(fact, now)
