"""What timers are judged by finds each fault: the judge is told a log, and counts it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loadtests import __main__ as command
from loadtests.timers.course import Course
from loadtests.timers.due import due_by
from loadtests.timers.fill import AGE, MATTERS, TENANT, TIMERS, customer_of, document, fill, kind
from loadtests.timers.judge import Fault, Judge
from loadtests.timers.run import told
from loadtests.timers.window import Size
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.next_timers import NextTimers
from toldonce.kernel.story.events import SlaBreached, SlaWarned
from toldonce.kernel.story.fold import fold
from toldonce.kernel.story.types import EMPTY
from toldonce.runtime.document import check
from toldonce.runtime.envelope import decode_record, encode_record
from toldonce.runtime.history import history_of
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.zones import WheelZones

DUE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
WHO = derive("customer", "joan")
CASE, TIMER, OTHER = (Own(derive("test", name)) for name in ("case", "timer", "other"))
MATERIAL = decode_record(kind(DUE).payloads[-1])
REPORT = {
    "armed_per_s": 60_000,
    "fired": 100_000,
    "lost": 0,
    "early": 0,
    "duplicated": 0,
    "late_p50_s": 0.3,
    "late_p99_s": 1.2,
    "rebuild_s": 12.5,
    "rss_mb": 900.0,
    "fired_durable": 10_000,
    "timers": 1_000_000,
    "stories": 100_000,
    "due": 100_000,
    "window_s": 60.0,
    "replicas": 2,
    "armed_ratio": 0.25,
    "faults": [{"what": "wipe", "at_s": 24.0, "until_s": 46.5}],
    "late": {"outside": {"timers": 60_000, "p50_s": 0.3, "p99_s": 1.2, "max_s": 1.9}},
    "memory_mb": {"sla": 900.0},
    "cpu_s": {"handler": 50.0, "sla": 40.0, "valkey": 9.0},
    "others_cores": 0.1,
    "durable": {"fired": 10_000, "lost": 0, "early": 0, "duplicated": 0, "late_p99_s": 0.5},
    "must": {"late_p99_s": 2.0, "rebuild_s": 30.0},
}


def after(seconds: float) -> datetime:
    return DUE + timedelta(seconds=seconds)


def append(at: datetime, *timers: Own, warned: bool = False):
    """One append that records timers, read as the log has it."""
    kind_of = SlaWarned if warned else SlaBreached
    events = tuple(kind_of(CASE, timer, ClockKind.QUEUE_WAIT, DUE) for timer in timers)
    record = replace(MATERIAL, customer=WHO, at=at, events=events, head=EMPTY)
    return decode_record(encode_record(record))


def judged(*appends, faults=(), awaited=(TIMER,)):
    judge = Judge({(WHO, own): DUE for own in awaited})
    for each in appends:
        judge.take(each)
    return judge.verdict(faults)


def counts(verdict):
    return verdict.lost, verdict.early, verdict.duplicated


def test_judge_finds_nothing_wrong_with_a_breach_recorded_after_its_instant():
    verdict = judged(append(after(0.3), TIMER))
    assert counts(verdict) == (0, 0, 0)
    assert (verdict.breached, verdict.all.max_s) == (1, 0.3)


def test_judge_finds_a_timer_that_was_never_recorded():
    assert counts(judged(append(after(0.3), OTHER), awaited=(TIMER, OTHER))) == (1, 0, 0)


def test_judge_finds_a_breach_recorded_a_microsecond_before_its_instant():
    assert counts(judged(append(DUE, TIMER))) == (0, 0, 0)
    assert counts(judged(append(DUE - timedelta(microseconds=1), TIMER))) == (0, 1, 0)


def test_judge_finds_a_timer_that_nobody_was_to_record_by_then():
    verdict = judged(append(after(0.3), TIMER), append(after(0.4), OTHER))
    assert counts(verdict) == (0, 1, 0)
    assert verdict.stray == 1


def test_judge_finds_a_timer_recorded_twice_in_two_appends_or_in_one():
    assert counts(judged(append(after(0.3), TIMER), append(after(9), TIMER))) == (0, 0, 1)
    assert counts(judged(append(after(0.3), TIMER, TIMER))) == (0, 0, 1)


def test_judge_counts_a_warning_as_a_timer_but_not_as_a_breach():
    verdict = judged(append(after(0.3), TIMER, warned=True))
    assert (verdict.fired, verdict.breached) == (1, 0)


def test_judge_excuses_only_what_waited_while_a_fault_was_on():
    fault = Fault("kill", after(10), after(20))
    assert fault.covers(after(12), after(19))  # came due and was recorded meanwhile
    assert fault.covers(after(9), after(15))  # had just come due
    assert fault.covers(after(19), after(25))  # came due in time to be hit
    assert not fault.covers(after(20.1), after(26))  # came due when it was over
    assert not fault.covers(after(8), after(9.9))  # was recorded before it
    assert not fault.covers(after(7.9), after(15))  # had been late for too long by then


def test_judge_tells_the_lateness_outside_the_faults_from_that_inside():
    judge = Judge({(WHO, TIMER): DUE, (WHO, OTHER): after(6)})
    judge.take(append(after(0.3), TIMER))
    judge.take(append(after(8), OTHER))
    verdict = judge.verdict((Fault("wipe", after(5), after(9)),))
    assert (verdict.outside.count, verdict.outside.p99_s) == (1, 0.3)
    assert (verdict.inside.count, verdict.inside.max_s) == (1, 2.0)


async def filled(stories: int = 20):
    log = FakeLog()
    async for _, made in fill(log, stories, DUE, timedelta(seconds=1)):
        whole = made
    assert whole is not None
    return log, whole


async def test_stories_of_the_fill_are_what_the_real_fold_makes_of_their_history():
    log, made = await filled()
    heads = set()
    for number in range(made.stories):
        history = await history_of(log, TENANT, customer_of(number))
        records = [logged.record for logged in history]
        for upto in range(1, len(records) + 1):
            assert fold(records[:upto]) == records[upto - 1].head
        heads.add(records[-1].head.cases)
        assert len(records[-1].head.cases) == MATTERS
    assert len(heads) == made.stories, "two stories share an id"


async def test_story_of_the_fill_has_ten_timers_to_come_and_one_of_them_soon():
    log, made = await filled()
    target_s = int(AGE.total_seconds())
    config = check(document(target_s), WheelZones()).at_revision(1)
    soon = made.awaited(config, DUE + AGE + timedelta(seconds=10))
    assert min(soon.values()) == DUE + AGE
    assert len(soon) == made.stories
    planned = NextTimers(config)
    for number in range(made.stories):
        history = await history_of(log, TENANT, customer_of(number))
        head = history[-1].record.head
        timers = [one for case in head.cases for one in planned.of(case)]
        timers += planned.promised(head.commitments[0], head.cases[0])
        assert len(timers) == TIMERS
        due = {(customer_of(number), own): at for own, at in timers if at <= max(soon.values())}
        assert due == {key: at for key, at in soon.items() if key[0] == customer_of(number)}


def test_every_matter_over_the_real_log_has_two_warnings_and_two_breaches():
    course = Course(100)
    config = check(course.document(), WheelZones()).at_revision(1)
    case = replace(kind(DUE).case, queue="orders", marks=())
    assert course.matters == 50
    assert len(due_by(case, config, DUE + timedelta(days=1))) == 4


def test_command_hands_the_size_on_and_tells_the_figures_that_were_promised(
    monkeypatch, tmp_path: Path
):
    asked = []

    async def measured(size, say, *, profile=None):
        asked.append((size, profile))
        return REPORT

    monkeypatch.setattr(command, "timers", measured)
    target = tmp_path / "report.json"
    assert command.main(["timers", "--count", "2000", "--json", str(target)]) == 0
    assert command.main(["timers", "--count", "5000", "--durable", "0", "--json", str(target)]) == 0
    assert asked == [(Size(2_000, 2, 20), None), (Size(5_000, 2, 0), None)]
    assert {
        "armed_per_s",
        "fired",
        "lost",
        "early",
        "duplicated",
        "late_p50_s",
        "late_p99_s",
        "rebuild_s",
        "rss_mb",
        "fired_durable",
    } <= set(json.loads(target.read_text()))


def test_report_is_told_to_people():
    lines = told(REPORT)
    assert "100,000 due within 60 s" in lines
    assert "again after the wipe in 12.5 s" in lines
    assert "over the real log: fired 10,000" in lines


def test_the_whole_has_a_hundred_thousand_due_within_a_minute_and_the_lease_of_the_service():
    size = Size()
    assert (size.stories, round(size.window_s), size.lease_s) == (100_000, 60, 10.0)


@pytest.mark.parametrize("words", [["--count", "99"], ["--count", "3000000"], ["--replicas", "0"]])
def test_wrong_sizes_are_refused(words):
    with pytest.raises(SystemExit):
        command.main(["timers", *words])


def test_run_that_is_stopped_says_so_and_ends_with_130(monkeypatch, capsys):
    async def stopped(size, say, *, profile=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "timers", stopped)
    assert command.main(["timers"]) == 130
    assert "Stopped" in capsys.readouterr().err
