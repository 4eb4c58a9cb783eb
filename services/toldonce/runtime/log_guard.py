"""Watches the ground the log stands on, and says in one sentence why nothing may be appended.

Halts (until a restart): the log went back, was made anew, or has a hole. Pauses (until it is right
again): this process's clock is more than 250 ms from the server's, a setting of the stream differs,
a node does not sync always. A leader may be behind for a moment after an election, so a bad reading
is confirmed before it halts; a node that does not answer stops a start, not a running log.
Whether the log is whole is asked every second, everything else every 10 s; both at once after a
reconnect and after the election of a leader.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime

from nats import errors as nats_errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import monitor, names, streams
from toldonce.runtime.clock import Clock
from toldonce.runtime.log import CLOCK_OFFSET_MAX_S, SETTLE_S
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.streams import StreamInfo, Wants

log = logging.getLogger("toldonce.log")

CHECK_S = 10.0
WHOLE_S = 1.0
_CHECK_AGAIN_S = 0.2
_READINGS_MAX = 4
_READING_PAUSE_S = 0.25
_READING_PAUSE_CLUSTER_S = 4.0  # a leader cut off needs some seconds to notice


class Guard:
    """The checks of one log stream, at start and while running."""

    def __init__(
        self, link: Link, wants: Wants, *, clock: Clock, monitor_urls: Sequence[str]
    ) -> None:
        """Nothing is asked before `start`."""
        self.stream = wants.name
        self.clock_offset_s = 0.0
        self._link = link
        self._wants = wants
        self._clock = clock
        self._monitor_urls = tuple(monitor_urls)
        self._halted: str | None = None
        self._paused: str | None = None
        self._created_at: datetime | None = None
        self._highest = 0
        self._leader = ""
        self._settled_from = clock.monotonic()
        self._due = asyncio.Event()
        self._checked = asyncio.Event()
        self._doubts = 0

    @property
    def closed(self) -> str | None:
        """The sentence why nothing may be appended now, or None."""
        return self._halted or self._paused

    @property
    def settled(self) -> bool:
        """Whether 10 s have gone by since the last reconnect or change of leader."""
        return self._clock.monotonic() >= self._settled_from

    @property
    def checked(self) -> bool:
        """Whether the log was looked at since the last reconnect or change of leader."""
        return self._checked.is_set()

    async def wait_checked(self, timeout_s: float) -> bool:
        """Wait until the log was looked at; False when that took longer than `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._checked.wait()
        return self.checked

    def saw(self, sequence: int) -> None:
        """Remember that the log reached `sequence`: it may never end before it again."""
        self._highest = max(self._highest, sequence)

    def halt(self, sentence: str) -> None:
        """Stop appends for good; the first reason stays."""
        if self._halted is None:
            log.error("log halted", extra={"stream": self.stream, "sentence": sentence})
            self._halted = sentence

    async def start(self) -> None:
        """Make or check the stream and check everything else; raises Unavailable."""
        info = await streams.ensure(self._link, self._wants)
        await monitor.check_nodes(self._monitor_urls, peers=info.peers)
        if len(info.peers) > 1:
            self._unsettle()
        self._leader = info.leader
        await self.check()
        if self.closed is not None:
            raise Unavailable(self.closed)

    async def run(self) -> None:
        """Check as often as the module says, until cancelled."""
        forget = self._link.on_reconnect(self._reconnected)
        elections = await self._watch_elections()
        full_s = self._clock.monotonic() + CHECK_S
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WHOLE_S if self.checked else _CHECK_AGAIN_S):
                        await self._due.wait()
                self._due.clear()
                try:
                    if self.checked and self._clock.monotonic() < full_s:
                        self._lead(await self._stream_is_whole())
                    else:
                        await self.check()
                        full_s = self._clock.monotonic() + CHECK_S
                except Unavailable as error:
                    log.warning("log check failed", extra={"sentence": str(error)})
        finally:
            forget()
            if elections is not None:
                with contextlib.suppress(nats_errors.Error, OSError):
                    await elections.unsubscribe()

    async def check(self) -> None:
        """Check everything once; raises Unavailable when the log does not answer."""
        doubts = self._doubts
        info = await self._stream_is_whole()
        wrong = streams.differences(self._wants, info.config)
        sentence = (
            f"The stream {self.stream} is no longer as it must be: {'; '.join(wrong)}."
            if wrong
            else await self._clock_is_right()
        )
        try:
            await monitor.check_nodes(self._monitor_urls, must_answer=False)
        except Unavailable as error:
            sentence = sentence or str(error)
        if sentence != self._paused and sentence is not None:
            log.error("log paused", extra={"stream": self.stream, "sentence": sentence})
        self._paused = sentence
        self._lead(info)
        if doubts == self._doubts:
            self._checked.set()

    def _lead(self, info: StreamInfo) -> None:
        """Notice a new leader that nobody announced."""
        if info.leader != self._leader:
            self._leader = info.leader
            self._unsettle()

    async def _stream_is_whole(self) -> StreamInfo:
        paused = self._paused
        for reading in range(1, _READINGS_MAX + 1):
            highest = self._highest
            info = await self._look()
            sentence = self._fault(info, highest)
            if sentence is None:
                self._created_at = info.created_at
                self.saw(info.last)
                self._paused = paused
                break
            self._paused = sentence
            if reading == _READINGS_MAX:
                self.halt(sentence)
            else:
                alone = len(info.peers) <= 1
                await asyncio.sleep(_READING_PAUSE_S if alone else _READING_PAUSE_CLUSTER_S)
        return info

    def _fault(self, info: StreamInfo, highest: int) -> str | None:
        """Say what is wrong with the log itself; `highest` was known before it was asked."""
        first = max(int(info.config.get("first_seq", 0)), 1)
        if self._created_at not in {None, info.created_at}:
            return f"The stream {self.stream} was made anew at {info.created_at.isoformat()}."
        if info.last < highest:
            return f"The stream {self.stream} went back from {highest} to {info.last}."
        if self._wants.last is not None and info.last > self._wants.last:
            return f"The stream {self.stream} was sealed at {self._wants.last} and grew after that."
        if info.deleted:
            return f"The stream {self.stream} has lost {info.deleted} of its messages."
        if info.messages != max(info.last - first + 1, 0) or (
            info.messages and info.first != first
        ):
            return (
                f"The stream {self.stream} holds {info.messages} messages from {info.first} to "
                f"{info.last}: some are missing."
            )
        return None

    async def _clock_is_right(self) -> str | None:
        """Compare clocks; the answer's own travel time is given the benefit of the doubt."""
        for _ in range(_READINGS_MAX):
            before, started = self._clock.now(), self._clock.monotonic()
            info = await self._look()
            travel_s = self._clock.monotonic() - started
            ahead_s = (before - info.server_now).total_seconds() + travel_s / 2
            self.clock_offset_s = ahead_s
            if abs(ahead_s) <= CLOCK_OFFSET_MAX_S:
                return None
            if abs(ahead_s) - travel_s / 2 > CLOCK_OFFSET_MAX_S:
                break
        return (
            f"This process's clock is {abs(self.clock_offset_s):.3f} s "
            f"{'ahead of' if self.clock_offset_s > 0 else 'behind'} the log's; at most "
            f"{CLOCK_OFFSET_MAX_S} s are allowed. Set the clock right."
        )

    async def _look(self) -> StreamInfo:
        try:
            return await streams.look(self._link, self.stream)
        except ApiError as error:
            raise Unavailable(f"The log does not tell how it stands: {error}.") from error

    def _reconnected(self) -> None:
        self._checked.clear()
        self._doubts += 1
        self._unsettle()
        self._due.set()

    def _unsettle(self) -> None:
        self._settled_from = self._clock.monotonic() + SETTLE_S

    async def _watch_elections(self) -> Subscription | None:
        async def elected(message: Msg) -> None:
            del message
            self._reconnected()

        try:
            return await self._link.client.subscribe(names.elected(self.stream), cb=elected)
        except (nats_errors.Error, OSError):
            return None
