"""The engine that leads is paused, then the next one killed: real processes, the log is judged."""

import asyncio
import json

import pytest

from loadtests.failover import MUST_S, failover
from tests.auditor import Auditor
from tests.chaos.conftest import FIGURES

pytestmark = pytest.mark.timeout(120)

ANSWER_MAX_S = 2.0  # as long as one who does not answer is waited for


@pytest.fixture(scope="module")
def outcome():
    """One pause and one kill: whoever was paused takes over from the one killed."""
    return asyncio.run(failover(2, print))


@pytest.fixture(scope="module")
def rounds(outcome):
    return {one["signal"]: one for one in outcome.report["rounds"]}


class Read:
    """The log that was read, as the auditor asks it."""

    def __init__(self, stored):
        self._stored = {one.sequence: one for one in stored}

    async def get(self, sequence):
        return self._stored.get(sequence)


def test_next_engine_offers_within_ten_seconds_of_the_last_one_s_end(
    outcome, rounds, record_property
):
    record_property(FIGURES, json.dumps(outcome.report))
    assert set(rounds) == {"SIGSTOP", "SIGKILL"}
    assert 0 < outcome.report["takeover_max_s"] < MUST_S


def test_paused_leader_notices_at_once_that_it_does_not_lead_any_more(rounds):
    assert rounds["SIGSTOP"]["follows_s"] < 2.0


def test_questions_to_the_engine_do_not_wait_for_a_paused_one(rounds):
    assert all(one["answers_s"] < ANSWER_MAX_S for one in rounds.values())


def test_no_promise_is_broken_by_a_failover(outcome):
    report = outcome.report
    assert report["contacts"] > 100
    assert report["offers"] >= report["contacts"]
    assert not {name: count for name, count in report["faults"].items() if count}


async def test_auditor_finds_the_log_legal(outcome):
    auditor = Auditor(Read(outcome.stored))
    await auditor.look()
    assert auditor.count == len(outcome.stored)
    assert not [title for title in auditor.titles.values() if title.offers]
