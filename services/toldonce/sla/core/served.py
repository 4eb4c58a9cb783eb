"""What one append tells of the service given on each channel: the rules of counting.

- A case counts for the channel on which it began, whatever channels join it later: who wrote first
  and shouted elsewhere afterwards waited on the first. What is split off counts where it came from,
  what is merged where the case stays.
- A wait for the first answer ends with the first message that a person writes to the customer. A
  case whose channel takes no written answers, or whose customer is called back, was answered when
  its owner took it; that is known when it is closed. Closed without any answer it has no wait for
  one, and counts as unanswered.
- A wait for a person ends when one becomes owner. A handoff neither begins nor ends a wait; who
  lets go of a case begins another, and each is counted.
- Bots: what they write is no answer, and a case they own still waits. What they close is counted as
  closed and as closed by a bot; what they say of its outcome is not counted.
- Times are business time by `kernel.clocks`, under the policy that holds for the case when the wait
  ends and is in force when that is read. An appointment or a callback by appointment begins both
  waits at its instant; to hang up while a call is owed ends nothing.
- Who goes away unanswered (abandoned or taken back) left early or late, by the same clocks.
- Merged: from then on the case that stays is the only one; what was counted stays counted.
- Reopened: both waits begin anew and are counted again, as its next end is. That its first owner
  had resolved it is taken back, at the instant at which that had been counted.
- Forgotten: what was open ends and is not counted.
- Commitments count for the channel of the case they were made in, kept or broken, when told;
  withdrawn ones do not.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.config.types import AgentKind
from toldonce.kernel.ids import Own
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    Absorbed,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseSplit,
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    EntryAppended,
    EntryKind,
    Event,
    OfferAccepted,
    OwnershipReleased,
    SlaBreached,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import EMPTY, Case, CaseState
from toldonce.sla.core.counts import Count, Counts, Mark
from toldonce.sla.core.known import Ended, Known, Matter, arrived
from toldonce.sla.core.waits import aims, left, served

ENDED_MAX = 8
_PERSONS = frozenset({Role.AGENT.value, Role.SUPERVISOR.value, Role.ADMIN.value})


def observe(
    known: Known,
    record: Record,
    sequence: int,
    config: Config,
    others: Callable[[str], Known],
) -> tuple[Known, tuple[Mark, ...]]:
    """Give the story after an append, and what it tells.

    `others`: what is known of a story (by customer) that comes to this one.
    """
    reading = _Reading(known, record, config, others)
    for event in record.events:
        if isinstance(event, SlaBreached):  # may stand behind the end it belongs to
            reading.breached(event.case)
    for event in record.events:
        reading.see(event)
    return reading.after(sequence), tuple(reading.marks)


class _Reading:
    """One append, fact by fact."""

    def __init__(
        self,
        known: Known,
        record: Record,
        config: Config,
        others: Callable[[str], Known],
    ) -> None:
        self.marks: list[Mark] = []
        self._story = replace(EMPTY, cases=known.cases, commitments=known.commitments)
        self._matters = dict(known.matters)
        self._promises = dict(known.promises)
        self._ended = dict(known.ended)
        self._record = record
        self._at = record.at
        self._config = config
        self._others = others

    def breached(self, own: Own) -> None:
        """Remember that a clock of a case was recorded as past due."""
        known = self._matters.get(own)
        if known is not None:
            self._matters[own] = replace(known, breached=True)

    def see(self, event: Event) -> None:
        """Take in one fact: first what it tells of the story before it, then how it goes on."""
        before = self._story
        match event:
            case OfferAccepted(case=own, agent=agent) if self._is_person(agent):
                self._taken(before.case(own))
            case OwnershipReleased(case=own, agent=agent) if self._is_person(agent):
                self._let_go(before.case(own))
            case EntryAppended(case=own, kind=EntryKind.MESSAGE_OUT) if self._by_person():
                self._answered(before.case(own))
            case CaseClosed(case=own):
                self._closed(before.case(own), event)
            case CaseAbandoned(case=own):
                self._abandoned(before.case(own))
            case CommitmentKept(commitment=own, case=of):
                self._settled(own, before.case(of), Count.KEPT)
            case CommitmentBroken(commitment=own, case=of):
                self._settled(own, before.case(of), Count.BROKEN)
            case _:
                self._begins(event)
        self._story = evolve(before, event, self._at)

    def after(self, sequence: int) -> Known:
        """Give the story as it is known now."""
        head = self._record.head
        cases = {case.own for case in head.cases}
        promised = {one.own for one in head.commitments}
        moved = bool(head.moved_to)  # whoever takes it in asks what was known
        return Known(
            sequence,
            head.cases,
            head.commitments,
            {own: one for own, one in self._matters.items() if moved or own in cases},
            {own: one for own, one in self._promises.items() if moved or own in promised},
            dict(tuple(self._ended.items())[-ENDED_MAX:]),
        )

    # ---- how cases begin

    def _begins(self, event: Event) -> None:
        match event:
            case CaseOpened(case=own, channel=channel):
                self._matters[own] = Matter(channel)
            case CaseReopened(case=case):
                self._reopened(case)
            case CaseSplit(case=of, made=made):
                self._matters[made.own] = replace(self._matter(of, made), attended=False)
            case CaseMerged(case=own, into=into):
                gone = self._matters.pop(own, None)
                if gone is not None and into in self._matters:
                    stays = self._matters[into]
                    self._matters[into] = replace(
                        stays,
                        answered=stays.answered or gone.answered,
                        breached=stays.breached or gone.breached,
                    )
            case Absorbed(source=source, cases=cases, commitments=commitments):
                came = self._others(source)
                for case in cases:
                    self._matters[case.own] = came.matters.get(case.own) or arrived(case)
                for one in commitments:
                    self._promises[one.own] = came.promises.get(one.own, "")
                self._ended = {**came.ended, **self._ended}
            case CommitmentMade(commitment=own, case=of):
                self._promises[own] = self._matter(of, self._story.case(of)).channel
            case _:
                pass

    def _reopened(self, case: Case) -> None:
        ended = self._ended.pop(case.own, None)
        channel = case.channel if ended is None else ended.channel
        self._matters[case.own] = Matter(channel)
        self._mark(channel, {Count.REOPENED: 1})
        if ended is not None and ended.first_yes:
            self._mark(channel, {Count.FIRST_YES: -1, Count.FIRST_NO: 1}, at=ended.at)

    # ---- how waits end

    def _taken(self, case: Case | None) -> None:
        if case is None:
            return
        matter = self._matter(case.own, case)
        if not matter.attended:
            self._mark(matter.channel, self._served(case, ClockKind.QUEUE_WAIT))
        self._matters[case.own] = replace(matter, attended=True)

    def _let_go(self, case: Case | None) -> None:
        if case is not None:
            self._matters[case.own] = replace(self._matter(case.own, case), attended=False)

    def _answered(self, case: Case | None) -> None:
        if case is None or case.state is CaseState.CLOSED:
            return
        matter = self._matter(case.own, case)
        if not matter.answered:
            self._mark(matter.channel, self._served(case, ClockKind.FIRST_RESPONSE))
        self._matters[case.own] = replace(matter, answered=True)

    def _served(self, case: Case, kind: ClockKind) -> Counts:
        return served(case, kind, self._config, self._at)

    # ---- how cases end

    def _closed(self, case: Case | None, event: CaseClosed) -> None:
        if case is None:
            return
        matter, counts = self._matter(case.own, case), Counter[str]({Count.CLOSED: 1})
        first_yes = False
        if not self._is_person(event.agent):
            counts[Count.CLOSED_BY_BOT] = 1
        else:
            if not matter.answered:
                counts.update(self._unanswered(case, matter))
            if event.resolved_known:
                first_yes = event.resolved_first_owner
                counts[Count.FIRST_YES if first_yes else Count.FIRST_NO] = 1
            if event.re_told_known:
                counts[Count.RETOLD_YES if event.re_told else Count.RETOLD_NO] = 1
        self._end(case, matter, counts)
        self._ended[case.own] = Ended(matter.channel, self._at, first_yes)

    def _unanswered(self, case: Case, matter: Matter) -> Counts:
        if case.owned_at is None or not self._is_spoken(case, matter):
            return Counter({Count.UNANSWERED: 1})
        return served(case, ClockKind.FIRST_RESPONSE, self._config, case.owned_at)

    def _abandoned(self, case: Case | None) -> None:
        if case is None:
            return
        matter, counts = self._matter(case.own, case), Counter[str]({Count.ABANDONED: 1})
        if not matter.answered:
            counts.update(left(case, ClockKind.FIRST_RESPONSE, self._config, self._at))
        if not matter.attended:
            counts.update(left(case, ClockKind.QUEUE_WAIT, self._config, self._at))
        self._end(case, matter, counts)
        self._ended[case.own] = Ended(matter.channel, self._at, first_yes=False)

    def _end(self, case: Case, matter: Matter, counts: Counter[str]) -> None:
        policy, _ = aims(case, self._config)
        if policy is not None:
            counts[Count.AIMED] = 1
            counts[Count.BREACHED] = int(matter.breached)
        self._mark(matter.channel, counts)
        self._matters.pop(case.own, None)

    def _settled(self, own: Own, case: Case | None, count: Count) -> None:
        channel = self._promises.pop(own, "")
        if not channel and case is not None:
            channel = self._matter(case.own, case).channel
        self._mark(channel, {count: 1})

    # ---- words

    def _mark(self, channel: str, counts: Mapping[str, int], *, at: datetime | None = None) -> None:
        if channel and counts:
            self.marks.append(Mark(channel, at or self._at, dict(counts)))

    def _matter(self, own: Own, case: Case | None) -> Matter:
        known = self._matters.get(own)
        if known is not None:
            return known
        return Matter("") if case is None else arrived(case)

    def _is_person(self, agent: str) -> bool:
        """Tell whether an agent is one; who left the configuration was."""
        known = self._config.agents.get(agent)
        return known is None or known.kind is not AgentKind.BOT

    def _by_person(self) -> bool:
        role, _, name = self._record.actor.partition(":")
        return role in _PERSONS and (role != Role.AGENT.value or self._is_person(name))

    def _is_spoken(self, case: Case, matter: Matter) -> bool:
        channel = self._config.channels.get(matter.channel)
        return case.callback_at is not None or (channel is not None and not channel.reply)
