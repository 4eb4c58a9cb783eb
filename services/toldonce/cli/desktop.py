"""The desktop of `toldonce agent`: what is shown, and what the typed commands do."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

from toldonce.cli import phrases
from toldonce.cli.happened import happened
from toldonce.cli.output import Out, ago, explain
from toldonce.cli.work import Work, named
from toldonce.client.agent import AgentSession
from toldonce.client.news import CaseNews, HandoffOver, Leaving, News, OfferOver
from toldonce.client.seen import Offer
from toldonce.kernel.errors import Invalid, Refusal

LINE_BYTES_MAX = 64 * 1024
HELP = """\
An offer
  a                        accept it
  d [WHY]                  decline it (WHY is a word or two, as BUSY)
The case you are at
  s                        show its story again
  r TEXT                   reply to the customer
  w TEXT                   reply, and wait for the customer: what they say ends that
  hold [2d] WHY            it waits for somebody else, then at most (WHY is a word or two)
  go                       go on: it waits for the customer or on hold no more
  n TEXT                   note something for colleagues
  p 2h WHAT                the customer was promised WHAT, by then (30m, 2h, 3d)
  y [N]                    promise N was kept
  c OUTCOME [retold:yes|no] [first:yes|no]
                           close it; did they have to tell it again, could the first owner do it
  o                        open the case you closed last again
  b 2h WHY                 give it back: the customer is to be called then (30m, 2h, 3d)
Somebody else (the case stays yours until they accept)
  h TO WHY / THE MATTER / TRIED / PROMISED / TOLD THE CUSTOMER / MOOD
                           hand over; TO is queue:NAME, agent:NAME or tier:1 (the end may be left
                           out); before TO: `warm` you stay until they let you go;
                           `because:CODE` why it goes back where it came from
  e WHY / THE MATTER       up the ladder, in place of a handoff that waits
  k                        keep it after all: call your handoff off
  ask NAME                 let a colleague see it and write notes
  bye NAME                 let an adviser or the former owner go
  j                        go to a case you advise on: s shows it, n notes, bye leaves, u N returns
Several
  l                        list your cases, the customer's other cases, contacts, promises
  u N                      go on with your case N
  m N                      let case N of the customer end in this one
  x N N                    make contacts N a case of their own
  q                        leave"""

OVER = {
    "TAKEN": "taken by somebody else",
    "REVOKED": "taken back",
    "EXPIRED": "not answered in time",
    "ACCEPTED": "you accepted it",
    "DECLINED": "you declined it",
    "CASE_ENDED": "the case ended",
}
HANDED = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "EXPIRED": "nobody accepted it in time",
    "CANCELLED": "called off",
    "REPLACED": "replaced by one further up the ladder",
}


class Desktop(Work):
    """One agent at one terminal; offers and cases are dealt with one after the other."""

    def __init__(self, session: AgentSession, out: Out, *, wait_s: float) -> None:
        """Take a session; `wait_s` is how long `a` from a pipe waits for an offer."""
        super().__init__(session, out, typed=sys.stdin.isatty())
        self._wait_s = wait_s
        self._offers: dict[str, Offer] = {}
        self._asked: set[str] = set()
        self._stirred = asyncio.Event()
        self.commands |= {"a": self._accept, "d": self._decline}

    async def run(self) -> None:
        """Serve until `q`, the end of the input, or the end of the session."""
        self._out.say(f"You are there (policy {self._session.policy_version}). `?` for help.")
        for case in self._session.cases.values():
            self._out.say(f"You own {named(case)}")
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
            action = self.commands.get(verb)
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
                    self._out.say(f"The offer is over: {OVER.get(reason, reason)}.")
            case CaseNews(case, what):
                self._out.say(f"News of {named(case)}: {happened(what)}")
                if case.case_id in self._session.cases and "ContactReceived" in what:
                    await self._tell_new(case.case_id)
                self._advise(case.case_id)
            case HandoffOver(_, _, outcome, owner):
                said = HANDED.get(outcome, outcome)
                self._out.say(f"Your handoff: {said}; {owner or 'nobody'} owns the case.")
            case Leaving(within_s):
                self._out.say(f"The server goes down within {within_s} s: come back then.")
        self._stirred.set()

    async def _show_offer(self, offer: Offer) -> None:
        via = f", handed over by {offer.handoff.from_agent or 'nobody'}" if offer.handoff else ""
        if offer.callback_at is not None:
            via = f", TO BE CALLED BACK, asked {ago(offer.callback_at)} ago{via}"
        self._out.say(
            f"\nOFFER  {offer.channel}, queue {offer.queue}, {offer.language or '?'}, waits "
            f"{ago(offer.enqueued_at)}{via}. Why you: {offer.trace.reason}"
        )
        await self._tell(offer.case_id)
        if offer.asked > 1:
            self._out.say(f"{offer.asked} are asked at once: whoever accepts first has it.")
        self._out.say("a = accept, d = decline")

    def _advise(self, case_id: str) -> None:
        """Say that we are asked to advise, or stay after a warm handoff; go there when free."""
        advises = case_id in self._session.advising
        if advises and case_id not in self._asked:
            self._asked.add(case_id)
            self._out.say("You advise on it: j goes to it; there s shows it, n notes, bye leaves.")
            if not self._session.cases:
                self._advised = case_id
        elif not advises:
            self._asked.discard(case_id)
        if not advises and self._advised == case_id:
            self._advised = ""
            self._out.say("You do not advise on it any more.")

    async def _accept(self, _: str) -> None:
        offer = await self._offer()
        self._offers.pop(offer.offer_id, None)
        taken = await self._session.accept(offer)
        self._case, self._advised = taken.case.case_id, ""
        self._out.say(f"You own {named(taken.case)}")
        if taken.context is not None:
            self._out.say(f"context {taken.context_hash.hex()[:16]}… as the sender had it")
        if any(item.text for item in taken.later):
            self._out.say("Since it was handed over:")
            self._show(taken.later)

    async def _decline(self, why: str) -> None:
        offer = await self._offer()
        self._offers.pop(offer.offer_id, None)
        await self._session.decline(offer, phrases.code(why))
        self._out.say("Declined; it keeps its place and goes to somebody else.")

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
