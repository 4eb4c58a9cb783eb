"""`toldonce check`: what it says to people and to machines, and when it says no."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.style.tree import ROOT
from toldonce.cli.check import lint
from toldonce.cli.main import main
from toldonce.cli.output import FAILED, Out
from toldonce.runtime.clock import SystemClock

DAY = timedelta(days=1)
DESK = (ROOT / "examples" / "desk.yaml").read_text(encoding="utf-8")


def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *changes: tuple[str, str]
) -> tuple[int, dict[str, Any], str]:
    """Check a changed desk: exit code, the JSON object, and what people are told."""
    text = DESK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "desk.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(file), "--json"])
    said = capsys.readouterr()
    return int(str(ended.value)), json.loads(said.out), said.err


def test_a_good_document_is_told_its_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, figures, said = check(tmp_path, capsys)
    assert (code, figures["ok"], figures["findings"]) == (0, True, [])
    assert figures["load"]["rho"] == pytest.approx(0.5)
    assert "The forecast takes 0.50 of what these agents can carry." in said


def test_a_load_too_high_fails_and_names_line_and_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, figures, said = check(tmp_path, capsys, ("per_hour: 30", "per_hour: 90"))
    assert (code, figures["ok"]) == (FAILED, False)
    (one,) = figures["findings"]
    assert (one["severity"], one["rule"], one["field"]) == ("error", "load", "forecast")
    assert one["sentence"].startswith("line ")
    assert figures["problems"] == [{"field": "forecast", "sentence": one["sentence"]}]
    assert figures["load"]["rho"] == pytest.approx(1.5)
    assert figures["load"]["left_over"] == {"forecast.contacts[0]": pytest.approx(30)}
    assert figures["load"]["short"] == ["forecast.contacts[0]"]
    assert "error: forecast: line " in said
    assert "1 to correct" in said


def test_a_warning_leaves_the_document_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = ("wait_max_s: 3600", "wait_max_s: 300")
    code, figures, said = check(tmp_path, capsys, change)
    assert (code, figures["ok"], figures["problems"]) == (0, True, [])
    assert {one["rule"] for one in figures["findings"]} == {"starving"}
    assert figures["warnings"] == [one["sentence"] for one in figures["findings"]]
    assert "warning: policies[0].offer_timeout_s: line " in said


def test_next_closed_days_are_told_with_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    week = "{monday: ['09:00-17:00'], friday: ['09:00-17:00']}"
    office = f"zone: Europe/Amsterdam, weekly: {week}, holiday_sets: [{{country: NL}}]"
    calendars = f"calendars: [{{name: office, {office}}}]\n"
    code, figures, said = check(tmp_path, capsys, ("version: 1\n", f"version: 1\n{calendars}"))
    assert code == 0
    days = figures["calendars"]["office"]["closed_next"]
    assert len(days) == 5
    assert all(day["name"] for day in days)
    assert {date.fromisoformat(day["date"]).weekday() for day in days} <= {0, 4}
    assert min(day["date"] for day in days) >= (SystemClock().now().date() - DAY).isoformat()
    until = figures["calendars"]["office"]["holidays_until"]
    assert f"{days[0]['date']} {days[0]['name']}" in said
    assert f"holidays until {until}, by release" in said


def test_a_calendar_without_dated_days_is_said_to_keep_its_week(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = "zone: Europe/Amsterdam, weekly: {monday: ['09:00-17:00']}"
    calendars = f"calendars: [{{name: office, {office}}}]\n"
    _, _, said = check(tmp_path, capsys, ("version: 1\n", f"version: 1\n{calendars}"))
    assert "Calendar office keeps its week: no day is closed besides." in said


def test_a_document_that_cannot_be_read_is_one_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, figures, _ = check(tmp_path, capsys, ("queue: returns, words", "queue: retuns, words"))
    assert code == FAILED
    assert [(one["severity"], one["rule"], one["field"]) for one in figures["findings"]] == [
        ("error", "document", "topics[0].queue")
    ]


def test_applying_does_not_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = DESK.replace("per_hour: 30", "per_hour: 90")
    found = lint(Out(), tmp_path / "desk.yaml", text)
    assert found["ok"]
    assert "load" not in found
    assert "can be applied" in capsys.readouterr().out
