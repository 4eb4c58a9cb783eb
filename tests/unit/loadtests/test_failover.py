"""What a failover is judged by sees each fault: the history is told one, and counts it."""

import json
from dataclasses import replace

import pytest

from loadtests import __main__ as command
from loadtests import material
from loadtests.failover import Outcome, _led, _share, told
from loadtests.failover_history import History
from tests.scribe import accepted, case_of, closed, offered, opened, world
from tests.tellers import customer, own
from toldonce.kernel.ids import whole
from toldonce.kernel.story.events import OfferRevoked
from toldonce.runtime.document import check
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.zones import WheelZones

ANNA, BEN = material.AGENTS[:2]
CONFIG = check(material.document((ANNA, BEN), 1), WheelZones())
REPORT = {
    "takeover_p50_s": 6.0,
    "takeover_p99_s": 6.5,
    "takeover_max_s": 6.5,
    "rounds": [{"signal": "SIGSTOP", "takeover_s": 6.5}, {"signal": "SIGKILL", "takeover_s": 6.0}],
    "contacts": 200,
    "offers": 201,
    "faults": {"offers_doubled": 0, "offers_stale": 0},
}


async def read(*told):
    """The history of what was told: (who, event, engine epoch) in order."""
    place = world()
    history = History(CONFIG)
    for who, event, epoch in told:
        sequence = await place.scribe.tell(who, event, engine_epoch=epoch)
        stored = await place.log.get(sequence)
        history._take(decode_logged(stored.payload, sequence))  # noqa: SLF001 - as `follow` does
    return history


def faults(history, *cases):
    return {name for name, count in history.faults((), cases).items() if count}


def shown(who):
    return opened(who, queue=material.SERVED)


async def test_history_of_a_case_that_was_served_has_no_fault():
    history = await read(
        ("joan", shown("joan"), 0),
        ("joan", offered("joan", agent=ANNA), 3),
        ("joan", accepted("joan", agent=ANNA), 0),
        ("joan", closed("joan", agent=ANNA), 0),
    )
    assert faults(history, whole(customer("joan"), case_of("joan"))) == set()
    assert (history.offers, history.newest) == (1, 3)


async def test_history_sees_an_offer_of_an_engine_that_was_succeeded():
    history = await read(
        ("joan", shown("joan"), 0),
        ("kim", shown("kim"), 0),
        ("joan", offered("joan", agent=ANNA), 4),
        ("kim", offered("kim", agent=BEN), 3),
    )
    assert faults(history) == {"offers_stale"}


async def test_history_sees_a_case_on_offer_to_two():
    second = replace(offered("joan", agent=BEN), offer=own("offer", "another"))
    history = await read(
        ("joan", shown("joan"), 0),
        ("joan", offered("joan", agent=ANNA), 3),
        ("joan", second, 3),
    )
    assert faults(history) == {"offers_doubled"}


async def test_history_sees_an_agent_asked_for_more_than_they_can_hold():
    two = (("joan", shown("joan"), 0), ("kim", shown("kim"), 0))
    first = ("joan", offered("joan", agent=ANNA), 3)
    history = await read(*two, first, ("kim", offered("kim", agent=ANNA), 3))
    assert faults(history) == {"over_capacity"}
    back = OfferRevoked(offered("joan").offer, case_of("joan"), ANNA, "FAILOVER")
    history = await read(*two, first, ("joan", back, 3), ("kim", offered("kim", agent=ANNA), 3))
    assert faults(history) == set()


async def test_history_sees_a_case_nobody_served_and_a_contact_that_is_not_there():
    history = await read(("joan", shown("joan"), 0))
    assert faults(history, whole(customer("joan"), case_of("joan"))) == {"cases_unserved"}
    assert history.faults(["nowhere"], ())["contacts_lost"] == 1


def test_leader_is_read_from_the_last_word_of_its_log():
    leads = json.dumps({"event": "leading", "epoch": 7})
    follows = json.dumps({"event": "not leading any more", "epoch": 7})
    assert _led("routing listens\n" + leads + "\nTraceback") == 7
    assert _led(f"{leads}\n{follows}") == 0
    assert _led("") == 0


def test_share_of_the_rounds_is_one_that_was_measured():
    assert [_share([1.0, 2.0, 3.0], share) for share in (0.5, 0.99)] == [2.0, 3.0]


def test_report_names_each_round_and_only_promises_that_were_broken():
    assert "6.50 s  SIGSTOP" in told(REPORT)
    assert "broken promises: none" in told(REPORT)
    assert '{"offers_stale": 2}' in told(REPORT | {"faults": {"offers_stale": 2}})


def test_command_runs_as_many_rounds_as_asked_and_writes_the_report(monkeypatch, capsys):
    asked = []

    async def measured(rounds, _say):
        asked.append(rounds)
        return Outcome(REPORT, ())

    monkeypatch.setattr(command, "failover", measured)
    assert command.main(["failover", "--rounds", "2", "--json"]) == 0
    assert asked == [2]
    assert json.loads(capsys.readouterr().out) == REPORT
    with pytest.raises(SystemExit):
        command.main(["failover", "--rounds", "0"])
