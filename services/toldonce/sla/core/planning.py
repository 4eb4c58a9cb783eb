"""Which timers a story wants planned: the next of each clock, worked out anew where it changed.

Pure, but for what it remembers.
"""

from collections.abc import Collection, Hashable, Sequence
from datetime import datetime
from typing import NamedTuple

from toldonce.kernel.changing import replace
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.next_timers import NextTimers
from toldonce.kernel.story.types import Case, Commitment, Story

type _Timers = Sequence[tuple[Own, datetime]]


class Planning:
    """What one tenant's policies make of its stories, remembered by a name of each."""

    def __init__(self, config: Config) -> None:
        """Plan by this configuration."""
        self.config = config
        self._next = NextTimers(config)
        self._made: dict[Hashable, _Made] = {}

    def timers(self, name: Hashable, story: Story) -> tuple[tuple[Own, datetime], ...]:
        """Give the timers of a story: the next of each clock, with its instant."""
        made = self._made.get(name, _NOTHING)
        cases, changed = made.of_cases, set[Own]()
        if made.cases is not story.cases:
            before = {case.own: (case, of) for case, of in zip(made.cases, cases, strict=True)}
            found = list[_Timers]()
            for case in story.cases:
                was, of = before.pop(case.own, (None, ()))
                if was != case:
                    changed.add(case.own)
                    of = self._next.of(case)
                found.append(of)
            cases = tuple(found)
            changed |= before.keys()
        promises = made.of_promises
        if made.promises != story.commitments or _touches(story.commitments, changed):
            promises = tuple([self._promised(one, story) for one in story.commitments])
        self._made[name] = _Made(story.cases, cases, story.commitments, promises)
        return tuple([timer for of in (*cases, *promises) for timer in of])

    def narrowed(self, name: Hashable, story: Story, own: str) -> Story:
        """Leave of a story what a timer was planned for, where that is remembered."""
        made = self._made.get(name, _NOTHING)
        if made.cases is story.cases:
            for case, timers in zip(made.cases, made.of_cases, strict=True):
                if any(one == own for one, _ in timers):
                    return replace(story, cases=(case,), commitments=())
        return story

    def remembers(self, name: Hashable) -> bool:
        """Tell whether something is remembered of a story."""
        return name in self._made

    def forget(self, name: Hashable) -> None:
        """Remember nothing of a story."""
        self._made.pop(name, None)

    def _promised(self, promise: Commitment, story: Story) -> _Timers:
        return self._next.promised(promise, story.case(promise.case))


class _Made(NamedTuple):
    """What a story's cases and commitments were, and the timers of each."""

    cases: tuple[Case, ...]
    of_cases: tuple[_Timers, ...]
    promises: tuple[Commitment, ...]
    of_promises: tuple[_Timers, ...]


_NOTHING = _Made((), (), (), ())


def _touches(promises: tuple[Commitment, ...], changed: Collection[Own]) -> bool:
    return bool(changed) and any(one.case in changed for one in promises)
