"""What an agent at a terminal does with the cases they own, command by command."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from toldonce.cli import phrases
from toldonce.cli.output import Out, explain
from toldonce.cli.story import line, lines, promised, standing
from toldonce.client.agent import AgentSession
from toldonce.client.seen import CaseSeen
from toldonce.kernel.context import Item
from toldonce.kernel.errors import Invalid, Refusal

type Action = Callable[[str], Awaitable[None]]


class Work:
    """The commands about cases. `commands` gives the action of each, which takes its words."""

    def __init__(self, session: AgentSession, out: Out, *, typed: bool) -> None:
        """Act in a session; `typed`: a person can read what is shown before they go on."""
        self._session = session
        self._out = out
        self._typed = typed
        self._case: str = next(iter(session.cases), "")
        self._advised = ""
        self._closed = ""
        self._listed: list[str] = []
        self._contacts: list[str] = []
        self.commands: dict[str, Action] = {
            "s": self._story,
            "r": self._reply,
            "w": self._ask_back,
            "hold": self._hold,
            "go": self._go_on,
            "n": self._note,
            "h": self._hand_over,
            "c": self._close,
            "o": self._reopen,
            "p": self._promise,
            "y": self._kept,
            "e": self._escalate,
            "k": self._call_off,
            "b": self._call_later,
            "ask": self._ask,
            "bye": self._bye,
            "j": self._join,
            "l": self._list,
            "u": self._use,
            "m": self._merge,
            "x": self._split,
        }

    async def _tell(self, case_id: str) -> None:
        try:
            read = await self._session.peek(case_id)
        except Refusal as no:
            self._out.say(explain(no)[0])
            return
        self._stands(read.case)
        for said in lines(read):
            self._out.say(f"  {said}")

    def _stands(self, case: CaseSeen) -> None:
        for said in standing(case, datetime.now(UTC)):
            self._out.say(f"  {said}")

    async def _tell_new(self, case_id: str) -> bool:
        """Show what was not shown yet; tell whether the customer has said something in it."""
        try:
            items = await self._session.unread(case_id)
        except Refusal as no:
            self._out.say(explain(no)[0])
            return False
        self._show(items)
        return any(item.type == "contact_received" for item in items)

    async def _not_seen(self, case_id: str) -> bool:
        """Show what the customer said meanwhile; at a keyboard, let it be read before we act."""
        if not await self._tell_new(case_id) or not self._typed:
            return False
        self._out.say("The customer added this. Read it, then say it again if you still mean it.")
        return True

    def _show(self, items: tuple[Item, ...]) -> None:
        for item in items:
            if item.text:
                self._out.say(f"  {line(item)}")

    async def _story(self, _: str) -> None:
        read = await self._session.read(self._advised or self._mine())
        self._stands(read.case)
        for item in read.items:
            self._out.say(f"  {line(item)}")

    async def _reply(self, text: str) -> None:
        await self._session.reply(self._mine(), text)
        self._out.say("Sent.")

    async def _ask_back(self, text: str) -> None:
        await self._session.reply(self._mine(), text, awaits_customer=True)
        self._out.say("Sent. It waits for the customer now; what they say ends that, or `go`.")

    async def _hold(self, words: str) -> None:
        until_at, why = phrases.holding(words, datetime.now(UTC))
        seen = await self._session.wait_for(self._mine(), "HOLD", until_at=until_at, reason=why)
        until_at = seen.paused_until_at or until_at
        until = f", at most until {until_at:%Y-%m-%d %H:%M} UTC" if until_at else ""
        self._out.say(f"On hold{until}; `go` goes on.")

    async def _go_on(self, _: str) -> None:
        case_id = self._mine()
        for cause in ("CUSTOMER", "HOLD"):
            await self._session.go_on(case_id, cause)
        self._out.say("It waits for nobody any more but us.")

    async def _note(self, text: str) -> None:
        await self._session.note(self._advised or self._mine(), text)
        self._out.say("Noted.")

    async def _hand_over(self, words: str) -> None:
        asked, case_id = phrases.handing(words), self._mine()
        if await self._not_seen(case_id):
            return
        await self._session.hand_over(
            case_id,
            asked.envelope,
            agent=asked.name if asked.kind == "agent" else "",
            queue=asked.name if asked.kind == "queue" else "",
            tier=asked.name if asked.kind == "tier" else "",
            warm=asked.warm,
            override_reason=asked.override,
        )
        self._out.say(
            f"Asked {asked.kind} {asked.name}; the case stays yours until somebody accepts."
        )

    async def _escalate(self, words: str) -> None:
        await self._session.escalate(self._mine(), phrases.envelope(words))
        self._out.say("It climbs; the case stays yours until somebody accepts.")

    async def _call_off(self, _: str) -> None:
        await self._session.call_off(self._mine(), "CHANGED_MIND")
        self._out.say("Called off; the case is yours as before.")

    async def _call_later(self, words: str) -> None:
        when, _, why = words.partition(" ")
        at = phrases.due(when, datetime.now(UTC), "b 2h WHY")
        await self._session.call_later(self._mine(), at, phrases.code(why) or "CALL_LATER")
        self._case = self._next()
        self._out.say(f"Given back; somebody calls at {at:%Y-%m-%d %H:%M} UTC, you if you can.")

    async def _ask(self, name: str) -> None:
        if not name:
            raise Invalid("", "whom? ask NAME lets an agent of the configuration see your case")
        await self._session.consult(self._mine(), name)
        self._out.say(f"{name} can see it and write notes; `bye {name}` lets them go.")

    async def _bye(self, name: str) -> None:
        case_id = self._mine() if name else self._advised
        if not case_id:
            raise Invalid("", "who goes? bye NAME; without NAME you leave the case you advise on")
        await self._session.let_go(case_id, name)
        if not name:
            self._advised = ""
        self._out.say(f"{name or 'You'} left the case.")

    async def _join(self, _: str) -> None:
        advising = [one for one in self._session.advising if one != self._advised]
        if not advising:
            raise Invalid("", "you advise on no other case; colleagues ask with `ask`")
        self._advised = advising[-1]
        await self._tell(self._advised)

    async def _promise(self, words: str) -> None:
        by, _, what = words.partition(" ")
        due_at = phrases.due(by, datetime.now(UTC))
        await self._session.promise(self._mine(), what, due_at)
        self._out.say(f"Promised by {due_at:%Y-%m-%d %H:%M} UTC; `y` says that it was kept.")

    async def _kept(self, words: str) -> None:
        read = await self._session.peek(self._mine())
        promises = [one.commitment_id for one in read.card.promises]
        (place, *_) = phrases.numbers(words or "1", len(promises))
        await self._session.keep_promise(promises[place])
        self._out.say("Kept.")

    async def _close(self, words: str) -> None:
        case_id, (outcome, answers) = self._mine(), phrases.closing(words)
        if await self._not_seen(case_id):
            return
        await self._session.close_case(
            case_id,
            outcome,
            re_told=answers.get("re_told"),
            resolved_first_owner=answers.get("resolved_first_owner"),
        )
        self._closed, self._case = case_id, self._next()
        self._out.say("Closed.")
        if self._case:
            self._out.say(f"You are at {self._named()} now.")

    async def _reopen(self, _: str) -> None:
        if not self._closed:
            raise Invalid("", "you have closed nothing yet: o opens the case you closed last")
        await self._session.reopen(self._closed, "REOPENED_BY_AGENT")
        self._out.say("It is open again and waits; it is offered to you first.")

    async def _list(self, _: str) -> None:
        """Show with numbers what the other commands choose from."""
        ours = tuple(self._session.cases)
        self._listed, self._contacts = list(ours), []
        if ours:
            read = await self._session.peek(self._mine())
            others = await self._session.of_customer(read.customer_id)
            self._listed += [one.case_id for one in others if one.case_id not in ours]
            told = [item for item in read.items if item.type == "contact_received"]
            known = {one.case_id: one for one in (*others, *self._session.cases.values())}
            for number, case_id in enumerate(self._listed, 1):
                here = " <- you are at it" if case_id == self._case else ""
                whose = "yours" if case_id in ours else known[case_id].owner or "waits"
                self._out.say(f"case {number}: {named(known[case_id])}, {whose}{here}")
            for number, item in enumerate(told, 1):
                self._contacts.append(f"{read.customer_id}{dict(item.attributes)['contact']}")
                self._out.say(f"contact {number}: {line(item)}")
            for number, one in enumerate(read.card.promises, 1):
                due = f"(by {one.due_at:%Y-%m-%d %H:%M} UTC)"
                self._out.say(f"promise {number}: {one.text or promised(one)} {due}")
        if not self._listed:
            self._out.say("You own nothing now; an offer comes by itself when there is work.")

    async def _use(self, words: str) -> None:
        case_id = self._listed[phrases.numbers(words, len(self._listed))[0]]
        if case_id not in self._session.cases:
            raise Invalid("", "that case is not yours; m N lets it end in the one you are at")
        self._case, self._advised = case_id, ""
        await self._tell(case_id)

    async def _merge(self, words: str) -> None:
        merged = self._listed[phrases.numbers(words, len(self._listed))[0]]
        await self._session.merge(self._mine(), merged)
        self._listed = []
        self._out.say("They are one case now: the one you are at.")

    async def _split(self, words: str) -> None:
        chosen = [self._contacts[at] for at in phrases.numbers(words, len(self._contacts))]
        _, made = await self._session.split(self._mine(), chosen)
        self._out.say(f"Made {named(made)}: it waits for somebody, at the age of the old one.")

    def _mine(self) -> str:
        """Name the case we are at; never go on with another one unsaid: words would go astray."""
        if self._case in self._session.cases:
            return self._case
        left, self._case = self._case, self._next()
        if not self._case:
            raise Invalid("", "you own no case: wait for an offer, then accept it with a")
        if left:
            raise Invalid(
                "", f"the case you were at is not yours any more; you are at {self._named()} now"
            )
        return self._case

    def _next(self) -> str:
        return next(iter(self._session.cases), "")

    def _named(self) -> str:
        return named(self._session.cases[self._case])


def named(case: CaseSeen) -> str:
    """Say which case is meant, in a few words."""
    return f"case …{case.case_id[-6:]} ({case.channel}, {case.queue}, {case.topic or '?'})"
