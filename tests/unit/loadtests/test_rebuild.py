"""The rebuild is measured on a log that looks like one our services wrote, and told as promised."""

import json
from pathlib import Path

import pytest

from loadtests import __main__ as command
from loadtests.rebuild import told
from loadtests.rebuild_fill import OWNED_EVERY, agents, closed_kind, document, made, open_kinds
from toldonce.kernel.ids import encode
from toldonce.kernel.story.types import WorkState
from toldonce.runtime.document import check
from toldonce.runtime.envelope import decode_head, decode_record
from toldonce.runtime.zones import WheelZones

REPORT = {
    "rebuild_s": 9.5,
    "peak_rss_mb": 600.0,
    "stalled_s": 0.3,
    "stories": 100_000,
    "closed": 1_000_000,
    "parts_s": {"views": 8.0, "all": 9.5},
    "cpu_s": {"process": 9.0},
}


def test_the_configuration_of_the_fill_is_one_the_services_take():
    config = check(document(1_000), WheelZones())
    assert set(agents(1_000)) == set(config.agents)
    assert config.sla_of("orders") is not None
    assert config.escalation_of("orders") == "seniors"


def test_an_open_story_is_one_and_its_head_in_open_is_that_of_its_message():
    kinds = open_kinds(1_000)
    customer = encode(bytes(16))
    for number, kind in enumerate(kinds[: 2 * OWNED_EVERY]):
        record = decode_record(made(kind.payload, customer, number))
        head = decode_head(made(kind.head, customer, number))
        assert record.head == head
        assert record.customer == customer
        (case,) = head.cases
        assert (case.work is WorkState.ASSIGNED) == (number % OWNED_EVERY == 0)
        assert not head.terminal


def test_no_two_stories_of_the_fill_share_an_id():
    kind = open_kinds(1_000)[1]
    heads = [decode_head(made(kind.head, encode(bytes(16)), n)) for n in range(50)]
    assert len({head.cases[0].own for head in heads}) == 50


def test_a_story_that_has_ended_is_over():
    record = decode_record(closed_kind().payload)
    assert record.head.terminal


def test_the_report_tells_the_figures_that_were_promised(monkeypatch, tmp_path: Path):
    asked = []

    async def measured(size, say, *, profile=None):
        asked.append((size.stories, size.closed, profile))
        return REPORT

    monkeypatch.setattr(command, "rebuild", measured)
    target = tmp_path / "report.json"
    words = ["rebuild", "--stories", "7", "--closed", "9", "--json", str(target)]
    assert command.main(words) == 0
    assert asked == [(7, 9, None)]
    assert {"rebuild_s", "peak_rss_mb"} <= set(json.loads(target.read_text()))


def test_the_report_is_told_to_people():
    lines = told(REPORT)
    assert "100,000 open stories beside 1,000,000" in lines
    assert "rebuilt in 9.50 s" in lines


def test_a_wrong_number_of_stories_is_refused():
    with pytest.raises(SystemExit):
        command.main(["rebuild", "--stories", "0"])
