"""`toldonce sla`: when something is due, told to people and machines, and what is wrong named."""

import json
from pathlib import Path
from typing import Any

import pytest

from toldonce.cli.accounts import length
from toldonce.cli.main import main
from toldonce.cli.output import WRONG_USE
from toldonce.kernel.account import CLOSED_HOURS, CLOSED_WEEKDAY
from toldonce.kernel.clocks import ClockKind

DOCUMENT = """\
version: 1
languages: [en]
skills: [care]
channels: [{name: chat, kind: chat, cost: 1, queue: orders}]
topics: [{name: order, queue: orders, words: {en: [order]}}]
calendars:
  - name: office
    zone: Europe/Amsterdam
    weekly:
      monday: ["09:00-12:00", "13:00-17:00"]
      tuesday: ["09:00-12:00", "13:00-17:00"]
      friday: ["09:00-12:00", "13:00-17:00"]
    holidays: ["2026-12-25"]
  - name: night
    zone: Australia/Lord_Howe
    weekly: {saturday: ["22:00-24:00"], sunday: ["00:00-06:00"]}
queues: [{name: orders, dispositions: [done]}]
agents: [{name: anna, skills: {care: 3}, languages: {en: 5}, capacity_units: 4}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "desk.yaml"
    made.write_text(DOCUMENT, encoding="utf-8")
    return made


def told(file: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `toldonce sla due` on the document."""
    code = 0
    try:
        main(["sla", "due", "--config", str(file), *words])
    except SystemExit as ended:
        code = int(str(ended.code or 0))
    said = capsys.readouterr()
    return code, said.out, said.err


def due(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    from_: str,
    minutes: int,
    *more: str,
    calendar: str = "office",
) -> dict[str, Any]:
    asked = ("--calendar", calendar, "--from", from_, "--minutes", str(minutes))
    code, out, err = told(file, capsys, *asked, *more, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    assert sum(span["counted_s"] for span in found["spans"]) == 60 * minutes or not found["due"]
    return found


@pytest.mark.parametrize(
    ("from_", "minutes", "at"),
    [
        ("2026-06-05T16:30", 60, "2026-06-08T09:30:00+02:00"),
        ("2026-06-05T14:30:00Z", 60, "2026-06-08T09:30:00+02:00"),
        ("2026-06-05 11:45", 30, "2026-06-05T13:15:00+02:00"),
        ("2026-06-05T16:00", 60, "2026-06-05T17:00:00+02:00"),
        ("2026-12-22T16:30", 60, "2026-12-28T09:30:00+01:00"),
        ("2026-10-23T16:30", 60, "2026-10-26T09:30:00+01:00"),
    ],
)
def test_due_time_is_told_over_lunch_weekend_holiday_and_a_change_of_the_clocks(
    file: Path, capsys: pytest.CaptureFixture[str], from_: str, minutes: int, at: str
):
    assert due(file, capsys, from_, minutes)["due"] == at


def test_shift_over_midnight_counts_the_half_hour_that_comes_twice_on_lord_howe(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    found = due(file, capsys, "2026-04-04T22:00", 8 * 60, calendar="night")
    assert found["due"] == "2026-04-05T05:30:00+10:30"
    assert found["zone"] == "Australia/Lord_Howe"


def test_pauses_move_the_due_time_in_any_order_and_overlapping_ones_once(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    pauses = ("2026-06-08T09:10/2026-06-08T09:40", "2026-06-08T09:00/2026-06-08T09:20")
    for given in (pauses, pauses[::-1]):
        found = due(file, capsys, "2026-06-05T16:30", 60, "--pause", given[0], "--pause", given[1])
        assert found["due"] == "2026-06-08T10:10:00+02:00"
    assert due(file, capsys, "2026-06-05T16:30", 60, "--pause", *pauses) == found | {
        "pauses": found["pauses"][::-1]
    }


def test_open_pause_keeps_it_from_being_due(file: Path, capsys: pytest.CaptureFixture[str]):
    found = due(file, capsys, "2026-06-05T16:30", 60, "--pause", "2026-06-05T16:40/")
    assert (found["due"], found["warn"]) == (None, None)
    asked = ("--calendar", "office", "--from", "2026-06-05T16:30", "--minutes", "60")
    _, said, _ = told(file, capsys, *asked, "--pause", "2026-06-05T16:40/")
    assert "due      not known while a pause is still open" in said


def test_warning_comes_after_its_part_of_the_time(file: Path, capsys: pytest.CaptureFixture[str]):
    assert due(file, capsys, "2026-06-05T09:00", 100)["warn"] == "2026-06-05T10:20:00+02:00"
    found = due(file, capsys, "2026-06-05T09:00", 100, "--warn-fraction", "0.5")
    assert found["warn"] == "2026-06-05T09:50:00+02:00"
    nearly = due(file, capsys, "2026-06-05T09:00", 100, "--warn-fraction", "0.9999")
    assert nearly["warn_fraction"] == 0.999  # as a policy of that fraction has it


def test_calendar_that_never_closes_needs_no_writing_down(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    found = due(file, capsys, "2026-06-05T16:30+02:00", 600, calendar="always")
    assert found["due"] == "2026-06-06T00:30:00+00:00"


def test_person_reads_the_account_by_the_wall_of_the_office(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    asked = ("--calendar", "office", "--from", "2026-06-05T16:30", "--minutes", "60")
    code, said, _ = told(file, capsys, *asked)
    assert code == 0
    assert said.splitlines() == [
        "1 h of working time, calendar office (Europe/Amsterdam)",
        "  begins   Fri 2026-06-05 16:30",
        "  warning  Mon 2026-06-08 09:18",
        "  due      Mon 2026-06-08 09:30, that is 2026-06-08T09:30:00+02:00",
        "  from                  to                    lasts   counted  in all  why",
        "  Fri 2026-06-05 16:30  Fri 2026-06-05 17:00  30 min  30 min   30 min  open",
        f"  Fri 2026-06-05 17:00  Sat 2026-06-06 00:00  7 h     -        30 min  {CLOSED_HOURS}",
        f"  Sat 2026-06-06 00:00  Mon 2026-06-08 00:00  48 h    -        30 min  {CLOSED_WEEKDAY}",
        f"  Mon 2026-06-08 00:00  Mon 2026-06-08 09:00  9 h     -        30 min  {CLOSED_HOURS}",
        "  Mon 2026-06-08 09:00  Mon 2026-06-08 09:30  30 min  30 min   1 h     open",
    ]


def test_wall_time_that_comes_twice_is_the_first_and_that_is_said(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    found = due(file, capsys, "2026-10-25T02:30", 60)
    assert found["from"] == "2026-10-25T02:30:00+02:00"
    (note,) = found["notes"]
    assert "there twice" in note
    assert "2026-10-25T02:30+01:00" in note
    assert not due(file, capsys, "2026-10-25T02:30+01:00", 60)["notes"]


GOOD = {"--calendar": "office", "--from": "2026-06-05T16:30", "--minutes": "60"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--calendar": "offise"}, "--calendar: there is no 'offise'; did you mean office?"),
        ({"--calendar": "zzz"}, "There are: always, night, office"),
        ({"--from": "yesterday"}, "--from: 'yesterday' is no time; one is 2026-06-05T15:30"),
        ({"--from": "2026-02-30T10:00"}, "--from: '2026-02-30T10:00' is no time"),
        ({"--from": "0001-01-01T00:00"}, "--from: 0001-01-01T00:00: wanted a year from 1970"),
        ({"--from": "2026-03-29T02:30"}, "Did you mean 01:30 or 03:30?"),
        ({"--minutes": "0"}, "--minutes: wanted 1 to 527040, got 0"),
        ({"--minutes": "-5"}, "--minutes: wanted 1 to 527040, got -5"),
        (
            {"--minutes": "527040", "--calendar": "night"},
            "--minutes: 527040 are not over within 3660 days",
        ),
        ({"--warn-fraction": "1"}, "--warn-fraction: wanted more than 0 and less than 1, got 1"),
        ({"--warn-fraction": "nan"}, "--warn-fraction: wanted more than 0 and less than 1"),
        ({"--pause": "2026-06-06"}, "--pause: '2026-06-06' is no pause"),
        ({"--pause": "2026-06-07T10:00/2026-06-06T10:00"}, "is inverted"),
        ({"--pause": "2026-06-07T10:00/2026-06-07T10:00"}, "is inverted"),
        ({"--pause": "x/2026-06-07T10:00"}, "--pause: 'x' is no time"),
    ],
)
def test_what_cannot_be_is_refused_naming_the_option(
    file: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], said: str
):
    words = [word for pair in (GOOD | changed).items() for word in pair]
    code, out, err = told(file, capsys, *words)
    assert (code, out) == (WRONG_USE, "")
    assert said in err


def test_document_that_cannot_work_is_refused_with_path_and_line(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    file.write_text(DOCUMENT.replace("13:00-17:00", "11:00-17:00", 1), encoding="utf-8")
    words = [word for pair in GOOD.items() for word in pair]
    code, _, err = told(file, capsys, *words)
    assert code == WRONG_USE
    assert "calendars[0].weekly.monday[1]: line 10: overlaps" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0" * 52, "--clock", "lunch"], "--clock: there is no 'lunch'; there are queue-wait"),
        (["4kd"], "CASE: wanted 52 characters"),
        (["0" * 52, "--export", "some.jsonl"], "--export: goes with --config"),
    ],
)
def test_wrong_question_about_a_case_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
):
    with pytest.raises(SystemExit) as ended:
        main(["sla", "explain", *words])
    assert ended.value.code == WRONG_USE
    assert said in capsys.readouterr().err


def test_help_names_every_clock_that_can_be_asked_for(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["sla", "explain", "--help"])
    said = capsys.readouterr().out
    for kind in ClockKind:
        assert kind.name.lower().replace("_", "-") in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (5_400, "1 h 30 min"),
        (90_061, "25 h 1 min 1 s"),
        (-90, "-1 min 30 s"),
        (0.2, "0 s"),
    ],
)
def test_length_is_written_in_hours_minutes_and_seconds(seconds: float, said: str):
    assert length(seconds) == said
