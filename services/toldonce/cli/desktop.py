"""The desktop of `toldonce agent`: what is shown, and what the typed commands do."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

from toldonce.cli.output import Out, ago, explain
from toldonce.cli.story import line, lines
from toldonce.client.agent import AgentSession
from toldonce.client.context import Envelope
from toldonce.client.news import CaseNews, HandoffOver, Leaving, News, OfferOver
from toldonce.client.seen import CaseSeen, Offer
from toldonce.kernel.errors import Invalid, Refusal

LINE_BYTES_MAX = 64 * 1024
HELP = """\
  a                        accept the offer
  d [WHY]                  decline it (WHY is a word or two, as BUSY)
  s                        show the story again
  r TEXT                   reply to the customer
  n TEXT                   note something for colleagues
  h queue:NAME WHY / SUMMARY    hand over (also agent:NAME, tier:NAME)
  c OUTCOME                close the case
  q                        leave"""


class Desktop:
    """One agent at one terminal; offers and cases are dealt with one after the other."""

    def __init__(self, session: AgentSession, out: Out, *, wait_s: float) -> None:
        """Take a session; `wait_s` is how long `a` from a pipe waits for an offer."""
        self._session = session
        self._out = out
        self._wait_s = wait_s
        self._offers: dict[str, Offer] = {}
        self._case: str = next(iter(session.cases), "")
        self._stirred = asyncio.Event()
        self._typed = sys.stdin.isatty()
        self._do: dict[str, Callable[[str], Awaitable[None]]] = {
            "a": self._accept,
            "d": self._decline,
            "s": self._story,
            "r": self._reply,
            "n": self._note,
            "h": self._hand_over,
            "c": self._close,
        }

    async def run(self) -> None:
        """Serve until `q`, the end of the input, or the end of the session."""
        self._out.say(f"You are there (policy {self._session.policy_version}). `?` for help.")
        for case in self._session.cases.values():
            self._out.say(f"You own {_named(case)}")
        listening = asyncio.create_task(self._listen())
        typing = asyncio.create_task(self._obey())
        try:
            done, _ = await asyncio.wait((listening, typing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            listening.cancel()
            typing.cancel()
            await asyncio.gather(listening, typing, return_exceptions=True)
        self._out.say("You have left; what you own is kept for a while. Come back to go on.")

    async def _obey(self) -> None:
        async for words in _lines():
            verb, _, rest = words.strip().partition(" ")
            if not verb:
                continue
            if verb == "q":
                return
            action = self._do.get(verb)
            if action is None:
                self._out.say(HELP)
                continue
            try:
                await action(rest.strip())
            except Refusal as no:
                self._out.say(explain(no)[0])

    async def _listen(self) -> None:
        async for news in self._session.news():
            await self._hear(news)

    async def _hear(self, news: News) -> None:
        match news:
            case Offer():
                self._offers[news.offer_id] = news
                await self._show_offer(news)
            case OfferOver(offer_id, _, reason):
                if self._offers.pop(offer_id, None) is not None:
                    self._out.say(f"The offer is over: {reason}.")
            case CaseNews(case, what):
                self._out.say(f"News of {_named(case)}: {', '.join(what) or 'changed'}")
            case HandoffOver(_, _, outcome, owner):
                self._out.say(f"Your handoff: {outcome}; {owner or 'nobody'} owns the case.")
            case Leaving(within_s):
                self._out.say(f"The server goes down within {within_s} s: come back then.")
        self._stirred.set()

    async def _show_offer(self, offer: Offer) -> None:
        via = f", handed over by {offer.handoff.from_agent or 'nobody'}" if offer.handoff else ""
        self._out.say(
            f"\nOFFER  {offer.channel}, queue {offer.queue}, {offer.language or '?'}, waits "
            f"{ago(offer.enqueued_at)}{via}. Why you: {offer.trace.reason}"
        )
        await self._tell(offer.case_id)
        self._out.say("a = accept, d = decline")

    async def _tell(self, case_id: str) -> None:
        try:
            read = await self._session.peek(case_id)
        except Refusal as no:
            self._out.say(explain(no)[0])
            return
        for said in lines(read):
            self._out.say(f"  {said}")

    async def _accept(self, _: str) -> None:
        offer = await self._offer()
        self._offers.pop(offer.offer_id, None)
        taken = await self._session.accept(offer)
        self._case = taken.case.case_id
        self._out.say(f"You own {_named(taken.case)}")
        if taken.context is not None:
            self._out.say(f"context {taken.context_hash.hex()[:16]}… as the sender had it")

    async def _decline(self, why: str) -> None:
        offer = await self._offer()
        self._offers.pop(offer.offer_id, None)
        await self._session.decline(offer, _code(why))
        self._out.say("Declined; it keeps its place and goes to somebody else.")

    async def _story(self, _: str) -> None:
        read = await self._session.read(self._mine())
        for item in read.items:
            self._out.say(f"  {line(item)}")

    async def _reply(self, text: str) -> None:
        await self._session.reply(self._mine(), text)
        self._out.say("Sent.")

    async def _note(self, text: str) -> None:
        await self._session.note(self._mine(), text)
        self._out.say("Noted.")

    async def _hand_over(self, words: str) -> None:
        target, _, said = words.partition(" ")
        kind, _, name = target.partition(":")
        if kind not in {"agent", "queue", "tier"} or not name:
            raise Invalid("", "whom to? h queue:NAME WHY / SUMMARY, or agent:NAME, tier:NAME")
        reason, _, summary = said.partition("/")
        envelope = Envelope(reason.strip(), summary.strip() or reason.strip())
        await self._session.hand_over(
            self._mine(),
            envelope,
            agent=name if kind == "agent" else "",
            queue=name if kind == "queue" else "",
            tier=name if kind == "tier" else "",
        )
        self._out.say(f"Asked {kind} {name}; the case stays yours until somebody accepts.")

    async def _close(self, outcome: str) -> None:
        case_id = self._mine()
        await self._session.close_case(case_id, outcome)
        self._case = next(iter(self._session.cases), "")
        self._out.say("Closed.")

    def _mine(self) -> str:
        if self._case not in self._session.cases:
            self._case = next(iter(self._session.cases), "")
        if not self._case:
            raise Invalid("", "you own no case: wait for an offer, then accept it with a")
        return self._case

    async def _offer(self) -> Offer:
        """Give the newest offer; from a pipe, wait for one."""
        if not self._typed:
            try:
                async with asyncio.timeout(self._wait_s):
                    while not self._offers:
                        self._stirred.clear()
                        await self._stirred.wait()
            except TimeoutError:
                raise Invalid("", f"no offer came within {self._wait_s:g} s") from None
        if not self._offers:
            raise Invalid("", "there is no offer now; one comes by itself when there is work")
        return next(reversed(self._offers.values()))


async def _lines() -> AsyncIterator[str]:
    """Give the lines of stdin without blocking anybody; a plain file is read at once."""
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    try:
        # a copy of the descriptor: the loop closes what it is given
        pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
    except (ValueError, OSError):
        for words in sys.stdin:
            yield words
        return
    try:
        while raw := await reader.readline():
            yield raw.decode("utf-8", "replace")
    except ValueError:
        raise Invalid("", f"a line of more than {LINE_BYTES_MAX} bytes") from None
    finally:
        transport.close()


def _code(why: str) -> str:
    """Make a code of what was typed: reasons stand in the clear, so they are no words."""
    return re.sub(r"[^A-Z0-9]+", "_", why.upper()).strip("_0123456789")[:64]


def _named(case: CaseSeen) -> str:
    return f"case …{case.case_id[-6:]} ({case.channel}, {case.queue}, {case.topic or '?'})"
