"""What the log says of time and of promises is counted once each, from its events alone."""

from dataclasses import replace
from datetime import timedelta

from tests.aims import LADDER, aimed, aims, fired
from tests.tellers import GATEWAY, START, contact, offer
from tests.unit.ownership.tale import ANNA, Tale
from toldonce.cli.company.chronicle import Chronicle
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.story.events import EntryKind
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import PauseCause
from toldonce.ownership.core.commands import (
    AbandonCase,
    AppendEntry,
    BreakCommitment,
    PauseCase,
)

WAIT = ClockKind.QUEUE_WAIT


def promised(tale: Tale, number: int) -> None:
    due_at = tale.now + timedelta(seconds=100)
    made = contact(number, topic=f"t{number}")
    tale.do(replace(made, promised_at=due_at, commits=True), GATEWAY)


def test_warnings_breaches_rungs_pauses_and_promises_are_counted() -> None:
    config = aims(more=LADDER)
    tale = Tale(rules=aimed(config))
    for number in (1, 2, 3):
        promised(tale, number)
    late, gone, kept = tale.story.cases
    tale.do(replace(offer(kept.own, "anna", now=tale.now), trace=b""))
    tale.accept(kept.own)
    tale.do(PauseCase(kept.own, 1, PauseCause.HOLD, None, "SUPPLIER"), ANNA)
    tale.do(AppendEntry(kept.own, 1, EntryKind.MESSAGE_OUT, awaits_customer=True), ANNA)
    tale.do(AbandonCase(gone.own, "WITHDRAWN"), GATEWAY)
    for seconds, moment in ((30, WARN), (45, Moment(1)), (60, BREACH)):
        tale.later((START + timedelta(seconds=seconds) - tale.now).total_seconds())
        tale.do(fired(late, WAIT, moment))
    tale.later(40)
    broken = next(one for one in tale.story.commitments if one.case == late.own)
    tale.do(BreakCommitment(broken.own))
    told = Chronicle(config)
    for sequence, record in enumerate(tale.records, 1):
        told.take(Logged(record, sequence, b""))
    assert (told.warnings, told.breaches, told.rungs, told.pauses) == (1, 1, 1, 2)
    assert (told.promised, told.kept, told.broken, told.withdrawn) == (3, 1, 1, 1)
    assert (told.heads_differ, told.timers.doubled, told.timers.early) == (0, [], [])
