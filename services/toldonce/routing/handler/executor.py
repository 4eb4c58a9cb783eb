"""Carries the engine's decisions out: so many at a time, each until its end is certain.

What ownership refused is told to the engine; what may or may not have been done is asked again
with the same operation id, so that it is done once. Nothing is sent that the lease does not cover
at the instant it is stamped.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from toldonce.kernel.errors import Missing, Refusal, Rejected, Unavailable
from toldonce.routing.core.acts import (
    Act,
    CancelHandoff,
    ChangeQueue,
    CompleteWrapUp,
    ExpireOffer,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.core.facts import OfferFailed
from toldonce.routing.core.types import ENDED
from toldonce.routing.handler.words import Leadership, Send
from toldonce.runtime.clock import Clock
from toldonce.runtime.logs import frames, logger

INFLIGHT_MAX = 64
PAUSE_S = 0.05
PAUSE_MAX_S = 2.0
DOUBT_S = 2.5
SETTLE_S = DOUBT_S + 0.5
# of an end: the offer is over; after any other refusal only the log frees what the agent holds
_OVER = frozenset({"OFFER_GONE", "OFFER_DECLINED", "OFFER_EXPIRED", "OFFER_REVOKED", "Missing"})
# of an offer: no copy of it can be taken after one of these
_LASTING = frozenset({"STALE_ENGINE", "STALE_EPOCH", "CASE_CLOSED"})

_log = logger()


@dataclass(frozen=True, slots=True)
class _Order:
    decision: Act
    epoch: int
    key: tuple[str, ...]


class Executor:
    """Sends one engine's decisions to ownership."""

    def __init__(
        self,
        send: Send,
        leadership: Leadership,
        clock: Clock,
        failed: Callable[[OfferFailed], None],
        *,
        inflight_max: int = INFLIGHT_MAX,
    ) -> None:
        """`failed` takes the offers that certainly stand in the log no more, or never did."""
        self._send = send
        self._leadership = leadership
        self._clock = clock
        self._failed = failed
        self._inflight_max = inflight_max
        self._waiting: deque[_Order] = deque()
        self._keys: set[tuple[str, ...]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting = 0
        self._slots = asyncio.Semaphore(inflight_max)
        self._doubt_ends_s = 0.0

    def take(self, decisions: tuple[Act, ...], epoch: int) -> None:
        """Carry out what was decided under `epoch`; what is under way already is not doubled."""
        for decision in decisions:
            key = key_of(decision)
            if key not in self._keys:
                self._keys.add(key)
                self._waiting.append(_Order(decision, epoch, key))
        self._start()

    async def settle(self, timeout_s: float = SETTLE_S) -> bool:
        """Send nothing more, wait for what is under way; tell whether all of it has ended.

        An offer given up without an answer may still arrive for DOUBT_S (ownership refuses older).
        """
        self._drop_waiting()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout_s)
        return not self._tasks and self._clock.monotonic() >= self._doubt_ends_s

    async def close(self) -> None:
        """End at once whatever is under way."""
        self._drop_waiting()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop_waiting(self) -> None:
        while self._waiting:
            order = self._waiting.popleft()
            self._keys.discard(order.key)
            self._give_up(order.decision, "NOT_LEADING")

    def _start(self) -> None:
        while self._waiting and len(self._tasks) - self._resting < self._inflight_max:
            order = self._waiting.popleft()
            task = asyncio.create_task(self._carry_out(order))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a decision failed", error=type(error).__name__, frames=frames(error))
        self._start()

    async def _carry_out(self, order: _Order) -> None:
        issued_at, pause_s = self._clock.now(), PAUSE_S
        doubt_ends_s = self._clock.monotonic() + DOUBT_S
        try:
            while self._leadership.epoch == order.epoch:
                done = False
                try:
                    done = await self._done(order, issued_at, doubt_ends_s)
                finally:  # also when this is cancelled while nobody has answered
                    if not done and isinstance(order.decision, MakeOffer):
                        self._doubt_ends_s = max(self._doubt_ends_s, doubt_ends_s)
                if done:
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
            self._give_up(order.decision, "NOT_LEADING")
        finally:
            self._keys.discard(order.key)

    async def _done(self, order: _Order, issued_at: datetime, doubt_ends_s: float) -> bool:
        """Ask once; False when nobody knows, or another may yet say otherwise.

        A copy of an offer that was refused may be on its way to somebody whose clock or whose story
        is ahead: until it is too old for anybody, its units are held, and then it is asked again.
        """
        being_made = self._is_being_made(order.decision)
        try:
            async with self._slots:
                await self._send(order.decision, order.epoch, issued_at)
        except Unavailable:
            return False
        except Refusal as refusal:
            reason = refusal.reason if isinstance(refusal, Rejected) else type(refusal).__name__
            left_s = doubt_ends_s - self._clock.monotonic()
            doubtful = isinstance(order.decision, MakeOffer) and reason not in _LASTING
            if doubtful and left_s > 0:
                await self._rest(left_s)
                return False
            if isinstance(refusal, Missing) and being_made:
                return False
            _log.info("a decision was refused", what=order.key[0], reason=reason)
            if reason in _OVER or isinstance(order.decision, MakeOffer):
                self._give_up(order.decision, reason)
        else:
            if isinstance(order.decision, ExpireOffer | RevokeOffer):
                # the engine may never see that it was made: its reader began anew meanwhile
                self._give_up(order.decision, ENDED)
        return True

    async def _rest(self, pause_s: float) -> None:
        """Wait without keeping others from their turn."""
        self._resting += 1
        self._start()
        try:
            await asyncio.sleep(pause_s)
        finally:
            self._resting -= 1

    def _is_being_made(self, decision: Act) -> bool:
        """Tell whether this would end an offer that is on its way into the log itself."""
        if not isinstance(decision, ExpireOffer | RevokeOffer):
            return False
        return (MakeOffer.__name__, *key_of(decision)[1:]) in self._keys

    def _give_up(self, decision: Act, reason: str) -> None:
        match decision:
            case MakeOffer() | ExpireOffer() | RevokeOffer():
                self._failed(OfferFailed(decision.customer, decision.case, decision.offer, reason))
            case _:
                pass  # the engine decides it again while the log does not show it


def key_of(decision: Act) -> tuple[str, ...]:
    """Name what a decision does: the same act has the same name, whoever decides it again."""
    name = (type(decision).__name__, decision.customer, decision.case)
    match decision:
        case MakeOffer(offer=own) | ExpireOffer(offer=own) | RevokeOffer(offer=own):
            return (*name, own)
        case CancelHandoff(handoff=own, reason=reason):
            return (*name, own, reason)
        case CompleteWrapUp(epoch=epoch) | ReleaseOwnership(epoch=epoch):
            return (*name, str(epoch))
        case LapseOwnership(epoch=epoch, sequence=sequence):
            return (*name, str(epoch), str(sequence))
        case ResumeOwnership(epoch=epoch, lapsed_at=at):
            return (*name, str(epoch), at.isoformat())
        case ChangeQueue(epoch=epoch, from_queue=left, queue=queue):
            return (*name, str(epoch), left, queue)
        case _:
            assert_never(decision)
