"""Triage reads a hand-off log, splits it by time, and never looks ahead."""

import csv
import gzip
import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from loadtests import __main__ as command
from loadtests import triage
from loadtests.triage_history import keys, shares
from loadtests.triage_log import INTAKE, UNKNOWN, Move, day_of, labelled, read, split
from loadtests.triage_models import Effort, Ranker

REAL = Path(__file__).parents[4] / "shared" / "data" / "servicenow_incidents"
COLUMNS = ("number", "incident_state", "made_sla", "opened_at", "sys_updated_at", *INTAKE)
HEADER = (*COLUMNS, "assignment_group")
QUICK = Effort(candidates=4, groves=2, rounds=10, relearnings=3)
START = datetime(2016, 2, 29, 8, 0)  # noqa: DTZ001 - the log names no zone


def stamp(moment):
    """Day/month/year, as the log writes it: without leading noughts in day and month."""
    return f"{moment.day}/{moment.month}/{moment.year} {moment:%H:%M}"


def lines(count, seed=1):
    """A desk of four teams: the subcategory says who solves it, the human is often wrong."""
    dice = random.Random(seed)  # noqa: S311
    for place in range(count):
        opened = START + timedelta(hours=place)
        kind = dice.randrange(4)
        intake = dict.fromkeys(INTAKE, "1 - High") | {
            "subcategory": f"Subcategory {kind}",
            "caller_id": f"Caller {dice.randrange(20)}",
            "location": f"Location {dice.randrange(3)}",
        }
        right = f"Group {kind}"
        first = right if dice.random() < 0.5 else f"Group {dice.randrange(4)}"
        common = {"number": f"INC{place:05}", "opened_at": stamp(opened), **intake}
        kept = "true" if kind or dice.random() < 0.3 else "false"
        for state, hours, team in (
            ("New", 0, first),
            ("Resolved", 5, right),
            ("Closed", 30, right),
        ):
            yield common | {
                "incident_state": state,
                "made_sla": kept if state == "Closed" else "true",
                "sys_updated_at": stamp(opened + timedelta(hours=hours)),
                "assignment_group": team,
            }


def written(path, rows, header=HEADER, opener=open):
    with opener(path, "wt", newline="") as text:
        writer = csv.DictWriter(text, header, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def log(tmp_path):
    return written(tmp_path / "log.csv", lines(300))


def test_a_log_in_gzip_reads_as_the_plain_one(tmp_path, log):
    packed = written(tmp_path / "log.csv.gz", lines(300), opener=gzip.open)
    assert read(packed) == read(log)


def test_a_day_is_read_before_its_month():
    assert day_of("1/3/2016 00:00") - day_of("29/2/2016 00:00") == 1.0
    assert day_of("3/1/2016 12:00") - day_of("2/1/2016 00:00") == 1.5


def test_a_month_before_its_day_is_refused():
    with pytest.raises(ValueError, match="month"):
        day_of("2/29/2016 00:00")


def test_incidents_are_split_by_the_day_they_were_opened_not_by_their_text(tmp_path):
    rows = list(lines(300))
    random.Random(2).shuffle(rows)  # noqa: S311
    rows.sort(key=lambda each: day_of(each["sys_updated_at"]))
    train, test = split(read(written(tmp_path / "log.csv", rows)), 0.7)
    assert (len(train), len(test)) == (210, 90)
    assert max(each.day for each in train) <= min(each.day for each in test)


def test_an_incident_tells_what_its_lines_say(log):
    found = read(log)[0]
    assert found.day == day_of("29/2/2016 08:00")
    assert (found.hour, found.weekday) == (8, 0)  # 29 February 2016 was a Monday
    assert found.moves[0] == Move(found.day, found.first_team)
    assert found.resolved == Move(day_of("29/2/2016 13:00"), found.final_team)
    assert found.closed == day_of("1/3/2016 14:00")


def test_an_incident_whose_last_line_names_no_team_has_no_label(tmp_path):
    rows = list(lines(3))
    rows[-1]["assignment_group"] = UNKNOWN
    assert len(labelled(read(written(tmp_path / "log.csv", rows)))) == 2


@pytest.mark.parametrize("human", [False, True])
def test_what_an_incident_is_told_does_not_change_with_later_lines(log, human):
    incidents = read(log)
    teams = [f"Group {each}" for each in range(4)]
    at = 150
    now = incidents[at].day
    before = shares(incidents, teams, human=human)
    # Everything that happens from its opening on becomes another story, its own included.
    changed = [
        replace(
            each,
            moves=tuple(m if m.day < now else Move(m.day, "Group 3") for m in each.moves),
            resolved=each.resolved
            if each.resolved.day < now
            else Move(each.resolved.day + 1, "Group 0"),
            final_team=each.final_team if each.closed < now else "Group 2",
            made_sla=each.made_sla if each.closed < now else not each.made_sla,
        )
        for each in incidents
    ]
    after = shares(changed, teams, human=human)
    assert np.array_equal(before.teams[: at + 1], after.teams[: at + 1])
    assert not np.array_equal(before.teams[at + 1 :], after.teams[at + 1 :])
    alone = shares(incidents[: at + 1], teams, human=human)
    assert np.array_equal(before.teams[at], alone.teams[at])


def test_the_shares_of_teams_add_up_to_one_and_lean_to_who_solves_it(log):
    incidents = read(log)
    teams = [f"Group {each}" for each in range(4)]
    found = shares(incidents, teams, human=False)
    assert np.allclose(found.teams.sum(axis=2), 1.0)
    last = found.teams[-1, keys(human=False).index(("subcategory",))]
    assert teams[int(np.argmax(last))] == incidents[-1].final_team


def test_a_blind_model_says_the_same_whatever_the_human_chose(log):
    train, test = split(read(log), 0.7)
    other = [replace(each, first_team="Group 0") for each in test[-1:]]

    def ranked(asked):
        model = Ranker(
            train, asked, human=False, effort=QUICK, labels=lambda each, _: each.final_team
        )
        return model.rank()

    assert np.array_equal(ranked(test)[-1], ranked([*test[:-1], *other])[-1])


def test_what_is_asked_about_does_not_change_the_answers_to_older_ones(log):
    train, test = split(read(log), 0.7)

    def ranked(asked):
        model = Ranker(
            train, asked, human=True, effort=QUICK, labels=lambda each, _: each.final_team
        )
        return model.rank()

    spoiled = [replace(each, final_team="Group 0", made_sla=False) for each in test]
    assert np.array_equal(ranked(test), ranked(spoiled))
    assert np.array_equal(ranked(test)[:20], ranked(test[:20]))


def test_triage_finds_what_decides_and_says_so_under_the_promised_names(log):
    said = []
    report = triage.triage(triage.parts(log, None, None), said.append, effort=QUICK)
    assert set(report) == {*triage.FIGURES, "detail"}
    assert report["ours_blind"] > 0.9 > report["first_team_human"]
    assert report["ours_with_human"] > 0.9
    assert report["top3"] >= report["ours_with_human"]
    assert report["sla_brier"] < 0.25
    assert str(report["detail"]["seed"]) in said[0]
    assert json.loads(json.dumps(report)) == report
    assert report == triage.triage(triage.parts(log, None, None), said.append, effort=QUICK)
    assert "ours_with_human" in triage.told(report)


def test_strict_triage_learns_only_what_was_known_when_the_test_begins(log):
    found = triage.parts(log, None, None)
    begin = found.test[0].day
    later = [
        each if each.closed < begin else replace(each, final_team="Group 0", made_sla=False)
        for each in found.train
    ]
    said = []
    strict = triage.triage(found, said.append, strict=True, effort=QUICK)
    spoiled = triage.triage(replace(found, train=later), said.append, strict=True, effort=QUICK)
    assert {name: strict[name] for name in triage.FIGURES} == {
        name: spoiled[name] for name in triage.FIGURES
    }


def test_two_files_are_taken_as_they_are(tmp_path):
    rows = list(lines(300))
    train = written(tmp_path / "train.csv", rows[:600])
    test = written(tmp_path / "test.csv", rows[600:])
    found = triage.parts(None, train, test)
    assert (len(found.train), len(found.test)) == (200, 100)


def test_a_test_file_older_than_the_training_file_is_refused(tmp_path, capsys):
    rows = list(lines(300))
    train = written(tmp_path / "train.csv", rows[300:])
    test = written(tmp_path / "test.csv", rows[:300])
    assert command.main(["triage", "--train", str(train), "--test", str(test)]) == 1
    assert "only incidents opened after" in capsys.readouterr().err


def broken(rows, place, **changes):
    rows = list(rows)
    rows[place] = rows[place] | changes
    return rows


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (list(lines(20)), "too few"),
        ([], "holds no incident"),
        (broken(lines(3), 1, opened_at="2016-02-29"), "line 3: opened_at is '2016-02-29'"),
        (broken(lines(3), 0, sys_updated_at="2/29/2016 08:00"), "not day/month/year"),
        (broken(lines(3), 0, made_sla="maybe"), "made_sla is 'maybe'"),
    ],
)
def test_a_log_that_is_not_one_is_refused_with_what_is_wrong(tmp_path, capsys, rows, sentence):
    path = written(tmp_path / "log.csv", rows)
    assert command.main(["triage", "--log", str(path)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_file_that_is_missing_short_or_damaged_is_refused(tmp_path, capsys):
    short = written(tmp_path / "short.csv", lines(3), header=COLUMNS)
    damaged = tmp_path / "damaged.csv.gz"
    damaged.write_bytes(written(tmp_path / "x.gz", lines(300), opener=gzip.open).read_bytes()[:900])
    for path, sentence in (
        (tmp_path / "none.csv", "there is no file"),
        (short, "lacks the columns assignment_group"),
        (damaged, "nor CSV in gzip"),
    ):
        assert command.main(["triage", "--log", str(path)]) == 1
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--train", "a"], ["--log", "a", "--test", "b"]])
def test_triage_asks_for_one_log_or_two(capsys, options):
    assert command.main(["triage", *options]) == 1
    assert "either --log FILE, or --train FILE and --test FILE" in capsys.readouterr().err


def test_the_real_log_is_read_and_its_human_figure_found():
    path = REAL / "incident_event_log_first70.csv.gz"
    if not path.is_file():
        pytest.skip(f"the hand-off log is not at {path}")
    found = triage.parts(path, None, None)
    assert (len(found.train), len(found.test)) == (10_176, 4_362)
    test = labelled(found.test)
    right = sum(each.first_team == each.final_team for each in test) / len(test)
    assert 0.6 < right < 0.7
