"""The demo's agents: they think, decline, overlook, answer, hand over, close; one vanishes."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

from toldonce.cli.company.day import Day
from toldonce.cli.company.messages import REPLIES
from toldonce.cli.company.notes import Owned
from toldonce.cli.company.place import Place
from toldonce.client import Client
from toldonce.client.agent import AgentSession, Taken
from toldonce.client.context import Envelope
from toldonce.client.news import CaseNews, HandoffOver, Leaving, News, OfferOver
from toldonce.client.seen import CaseSeen, Offer
from toldonce.kernel.errors import Missing, Refusal, Rejected, Unavailable
from toldonce.kernel.ids import own_of
from toldonce.kernel.principal import Role

HANDOFF_WAIT_S = 14.0
COMES_BACK_S = 9.0
_THINK_S = {"voice": (0.05, 0.3), "chat": (0.05, 0.4)}
_WORK_S = {"voice": (0.5, 1.3), "chat": (0.4, 1.0)}
_PAPERS_S = (0.05, 0.4)
_LOST = frozenset({"STALE_EPOCH", "NOT_OWNER", "NOT_OWNED", "CASE_CLOSED"})


class Member:
    """One agent."""

    def __init__(self, name: str, place: Place, day: Day) -> None:
        """Be there while `run` runs."""
        self._name = name
        self._place = place
        self._day = day
        self._session: AgentSession | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._handoffs: dict[str, asyncio.Future[str]] = {}
        self._gone = asyncio.Event()
        self.there = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; come back after a broken stream, and after having vanished."""
        token = self._place.token(Role.AGENT, self._name)
        async with Client(self._place.address, token) as client:
            try:
                while True:
                    try:
                        await self._sit(client)
                    except Unavailable as later:
                        await asyncio.sleep(min(later.retry_s, 1.0))
                    except Refusal as no:
                        self._trouble("session", no)
                        return
                    if self._gone.is_set():
                        await asyncio.sleep(COMES_BACK_S)
                        self._gone.clear()
            finally:
                await self._drop()

    async def _sit(self, client: Client) -> None:
        async with AgentSession(client, self._name) as session:
            self._session = session
            self._day.present.add(self._name)
            self._day.notes.came[self._name] = self._place.clock.now()
            self.there.set()
            for case in tuple(session.cases.values()):
                self._begin(self._handle(session, case))
            leaving = asyncio.create_task(self._gone.wait())
            hearing = asyncio.create_task(self._hear(session))
            try:
                await asyncio.wait((leaving, hearing), return_when=asyncio.FIRST_COMPLETED)
                if self._gone.is_set():
                    await self._drop()
                    await session.vanish()
                else:
                    hearing.result()
            finally:
                self._day.present.discard(self._name)
                leaving.cancel()
                hearing.cancel()
                await asyncio.gather(leaving, hearing, return_exceptions=True)
                await self._drop()

    async def _hear(self, session: AgentSession) -> None:
        async for news in session.news():
            self._take(session, news)

    def _take(self, session: AgentSession, news: News) -> None:
        match news:
            case Offer():
                self._day.offers += 1
                self._begin(self._consider(session, news))
            case HandoffOver(handoff_id, _, outcome, _):
                waiting = self._handoffs.pop(own_of(handoff_id), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(outcome)
            case OfferOver() | CaseNews() | Leaving():
                return

    async def _consider(self, session: AgentSession, offer: Offer) -> None:
        day = self._day
        if day.vanishes and offer.handoff is None:
            day.vanishes = False
            await self._vanish(session, offer)
            return
        if offer.handoff is None and day.overlooks():
            return
        await asyncio.sleep(day.draw.uniform(*_THINK_S.get(offer.channel, (0.1, 0.6))))
        try:
            if day.declines():
                await session.decline(offer, "BUSY")
                return
            taken = await session.accept(offer)
        except Rejected:
            return  # it ran out, was taken back, or the case ended
        except Refusal as no:
            self._trouble("accepting", no)
            return
        self._note(taken, offer)
        await self._handle(session, taken.case)

    async def _vanish(self, session: AgentSession, offer: Offer) -> None:
        """Take the case, begin, and be gone."""
        try:
            taken = await session.accept(offer)
        except Refusal:
            self._day.vanishes = True
            return
        self._note(taken, offer)
        await asyncio.sleep(self._day.draw.uniform(0.2, 0.6))
        self._day.notes.vanished.append(self._name)
        self._gone.set()

    def _note(self, taken: Taken, offer: Offer) -> None:
        self._day.accepts(taken.case.case_id)
        handoff = offer.handoff.handoff_id if offer.handoff is not None else ""
        case = taken.case
        self._day.notes.owned.append(
            Owned(self._name, case.case_id, case.epoch, handoff, taken.context_hash)
        )

    async def _handle(self, session: AgentSession, case: CaseSeen) -> None:
        try:
            await self._work_on(session, case)
        except Missing:
            return  # it was taken over in the meantime
        except Rejected as no:
            if no.reason not in _LOST:
                self._trouble("working", no)
        except Unavailable as no:
            if not self._gone.is_set():
                self._trouble("working", no)
        except Refusal as no:
            self._trouble("working", no)

    async def _work_on(self, session: AgentSession, case: CaseSeen) -> None:
        day, draw = self._day, self._day.draw
        await asyncio.sleep(draw.uniform(*_WORK_S.get(case.channel, (0.4, 1.2))))
        if case.hops == 0 and day.owes_handoff() and await self._hand_over(session, case):
            return
        words = REPLIES.get(case.language, REPLIES["en"])
        if case.channel == "voice":
            await session.note(case.case_id, f"Said on the phone: {words}")
        else:
            entry = await session.reply(case.case_id, words)
            day.notes.answers.add(entry)
        await asyncio.sleep(draw.uniform(0.1, 0.5))
        await self._close(session, case.case_id)

    async def _close(self, session: AgentSession, case_id: str) -> None:
        known = session.cases.get(case_id)
        if known is None:
            return
        outcomes = self._day.config.queues[known.queue].dispositions
        closed = await session.close_case(case_id, self._day.draw.choice(outcomes))
        if self._day.draw.random() < 0.8:  # noqa: PLR2004 - else the paperwork runs out by itself
            await asyncio.sleep(self._day.draw.uniform(*_PAPERS_S))
            with suppress(Rejected, Missing):
                await session.wrapped_up(closed)

    async def _hand_over(self, session: AgentSession, case: CaseSeen) -> bool:
        """Hand a case over; False when it stays ours after all."""
        day = self._day
        agent, queue = self._receiver(case)
        if not agent and not queue:
            return False
        envelope = Envelope(
            reason="somebody else can do this better",
            summary=f"The customer asks about {case.topic or 'something'}; nothing is missing.",
            tried="Looked at the order and the customer's earlier contacts.",
            promised="An answer today.",
            told_customer="That a colleague will go on, and that they need not tell it again.",
        )
        day.handing += 1
        try:
            begun = await session.hand_over(case.case_id, envelope, agent=agent, queue=queue)
            if begun.handoff is None:
                return False
            over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._handoffs[own_of(begun.handoff.handoff_id)] = over
            async with asyncio.timeout(HANDOFF_WAIT_S):
                outcome = await over
        except Rejected as no:
            if no.reason in _LOST:
                raise
            return False
        except TimeoutError:
            return False
        finally:
            day.handing -= 1
        if outcome == "ACCEPTED":
            day.handed += 1
            return True
        return False

    def _receiver(self, case: CaseSeen) -> tuple[str, str]:
        """Choose an agent who speaks the language, or a queue."""
        day = self._day
        agents = day.config.agents
        if day.draw.random() < 0.4:  # noqa: PLR2004 - the rest goes to a queue
            able = sorted(
                name
                for name in day.present - {self._name}
                if case.language in agents[name].languages
                and (not agents[name].queues or case.queue in agents[name].queues)
            )
            if able:
                return day.draw.choice(able), ""
        queues = [name for name in ("orders", "returns", "complaints", "vip") if name != case.queue]
        return "", day.draw.choice(queues)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"work of {self._name}")
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._day.notes.troubles.append(f"{self._name}: {type(fault).__name__}: {fault}")

    async def _drop(self) -> None:
        me = asyncio.current_task()
        tasks = [task for task in self._work if task is not me]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _trouble(self, doing: str, no: Refusal) -> None:
        reason = getattr(no, "reason", type(no).__name__)
        self._day.notes.troubles.append(f"{doing}: {reason}: {no}")
