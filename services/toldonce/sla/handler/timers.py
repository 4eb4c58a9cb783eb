"""Where timers wait: a store that gives each out once it is due, and again until it is settled.

It may be wiped or go back in time at any moment; then it says `Wiped` until `begin`, and everything
is to be planned again. Any number of replicas share one: what two of them plan from the same facts
is planned once, and what one has claimed the others do not see until its lease is over. Nothing
here makes a timer right: whoever claims one asks its story, and ownership does each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from toldonce.runtime import names
from toldonce.runtime.mapping import at_us, to_us
from toldonce.runtime.open_rows import StoryKey
from toldonce.runtime.store import Script, Store, Value
from toldonce.sla.handler.scripts import BEGIN, CLAIM, PLAN, SETTLE, STANDING

LEASE_S = 10.0
MARGIN_S = 0.3  # more than the 250 ms by which clocks may differ
BEAT_LIFE_S = 3_600.0


class Wiped(Exception):
    """The store is not as this replica left it: begin, and plan everything again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All timers a story wants, as of its log `sequence` and the policy's `revision`."""

    tenant: str
    customer: str
    sequence: int
    revision: int
    timers: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class Leased:
    """A timer of a story, ours until `until_at` (the store's time); planned from `sequence`."""

    tenant: str
    customer: str
    own: str
    sequence: int
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """How a claim ended: done, or to come again at `again_at` (the store's time)."""

    leased: Leased
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What was due, the store's time then, and when the next timer may fire (None: none waits)."""

    leased: tuple[Leased, ...]
    now: datetime
    next_at: datetime | None


class TimerStore(Protocol):
    """The timers as one replica sees them; every call may raise Unavailable."""

    async def begin(self) -> str:
        """Begin (again); returns the generation, which changes when everything was lost."""
        ...

    async def plan(self, plans: Sequence[Plan]) -> int:
        """Make these the timers of their stories, unless newer ones stand; counts those set.

        Raises Wiped.
        """
        ...

    async def standing(
        self,
        stories: Sequence[StoryKey],
        *,
        now: bool = False,
    ) -> Sequence[tuple[int, int] | None]:
        """Say from what log sequence and policy revision each story is planned; None: it is not.

        An answer may be remembered from before, unless it is asked what stands `now`.
        """
        ...

    async def claim(self, limit_max: int) -> Claim:
        """Take what is due by the store's clock, earliest first; raises Wiped."""
        ...

    async def settle(self, ends: Sequence[Settled]) -> int:
        """Take timers away or put them back; what is no longer ours stays as it is."""
        ...


class RedisTimers:
    """`TimerStore` on Redis or Valkey. One caller at a time for `begin`, `plan` and `claim`."""

    def __init__(
        self, store: Store, replica: str, *, lease_s: float = LEASE_S, margin_s: float = MARGIN_S
    ) -> None:
        """`replica` names this process and no other; nothing fires before `margin_s` are over."""
        self._store = store
        self._replica = replica
        self._lease = timedelta(seconds=lease_s)
        self._margin_us = round(margin_s * 1_000_000)
        self._generation = ""
        self._beat = 0
        generation, due, stories, beat = (
            names.redis_timers(part) for part in ("generation", "due", "stories", f"beat-{replica}")
        )
        self._keys = (generation, due, stories, beat)

    async def begin(self) -> str:
        """See `TimerStore.begin`."""
        self._beat += 1
        made = f"{self._replica}-{self._beat}"
        life_ms = round(BEAT_LIFE_S * 1000)
        keys = (self._keys[0], self._keys[3])
        found: bytes = await self._store.run(BEGIN, keys, (made, self._beat, life_ms))
        self._generation = found.decode()
        return self._generation

    async def plan(self, plans: Sequence[Plan]) -> int:
        """See `TimerStore.plan`."""
        answer = await self._step(PLAN, [_line(plan) for plan in plans])
        return int(answer[1])

    async def standing(
        self,
        stories: Sequence[StoryKey],
        *,
        now: bool = False,  # noqa: ARG002 - nothing is remembered here
    ) -> Sequence[tuple[int, int] | None]:
        """See `TimerStore.standing`."""
        if not stories:
            return []
        words = [f"{tenant}.{customer}" for tenant, customer in stories]
        answer: list[bytes] = await self._store.run(STANDING, self._keys[2:3], words)
        return [_place(row) for row in answer]

    async def claim(self, limit_max: int) -> Claim:
        """See `TimerStore.claim`."""
        lease_us = self._lease // timedelta(microseconds=1)
        answer = await self._step(CLAIM, (self._margin_us, lease_us, limit_max))
        now = at_us(int(answer[1]))
        until_at = now + self._lease
        rest = [word.decode() for word in answer[3:]]
        leased = []
        for story, own, sequence in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            tenant, _, customer = story.partition(".")
            leased.append(Leased(tenant, customer, own, int(sequence), until_at))
        margin = timedelta(microseconds=self._margin_us)
        next_at = at_us(int(answer[2])) + margin if answer[2] else None
        return Claim(tuple(leased), now, next_at)

    async def settle(self, ends: Sequence[Settled]) -> int:
        """See `TimerStore.settle`."""
        words: list[Value] = []
        for end in ends:
            one = end.leased
            again: Value = "" if end.again_at is None else to_us(end.again_at)
            words += (f"{one.tenant}.{one.customer}", one.own, to_us(one.until_at), again)
        return int(await self._store.run(SETTLE, self._keys[1:3], words)) if words else 0

    async def _step(self, script: Script, words: Sequence[Value]) -> list[bytes]:
        """Run a script as the exact successor of the last; an answer that is lost is a wipe."""
        if not self._generation:
            raise Wiped
        generation, self._generation = self._generation, ""
        life_ms = round(BEAT_LIFE_S * 1000)
        head = (generation, self._beat, self._beat + 1, life_ms)
        self._beat += 1
        answer: list[bytes] = await self._store.run(script, self._keys, (*head, *words))
        if answer[0] != b"ok":
            raise Wiped
        self._generation = generation
        return answer


def _line(plan: Plan) -> str:
    timers = "".join([f" {own} {to_us(fires_at)}" for own, fires_at in plan.timers])
    return f"{plan.tenant}.{plan.customer} {plan.sequence} {plan.revision}{timers}"


def _place(row: bytes) -> tuple[int, int] | None:
    if not row:
        return None
    sequence, revision = row.split()
    return int(sequence), int(revision)
