"""YAML is read narrowly, and every problem has a line."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from toldonce.kernel.config import Expansion, HolidaySet
from toldonce.kernel.config.holidays import DOCUMENT_SETS_MAX, Expanded
from toldonce.kernel.errors import Invalid
from toldonce.runtime.document import Stored, check, demo_text, pack, unpack
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.yaml_tree import line_of, lines, load
from toldonce.runtime.zones import WheelZones

STORED = Stored(demo_text(), datetime(2026, 6, 1, 8, 0, tzinfo=UTC), "ruth")


def test_plain_words_stay_words() -> None:
    text = "a: no\nb: 17:00\nc: 2026-12-25\nd: 12\ne: 0.5\nf: true\ng:\nh: '12'\ni: 007\nj: [1, x]"
    assert load(text) == {
        "a": "no",
        "b": "17:00",
        "c": "2026-12-25",
        "d": 12,
        "e": 0.5,
        "f": True,
        "g": None,
        "h": "12",
        "i": "007",
        "j": [1, "x"],
    }


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "b.c", "line 4: the key is there twice"),
        ("a: &x 1\nb: *x", "a", "line 1: anchors"),
        ("b: *x", "b", "line 1: aliases"),
        ("a: !!python/object:os.system 1", "a", "line 1: tags"),
        ("a: 1\n---\nb: 2", "", "line 2: a second document"),
        ("a: [1, 2", "", "line 2: did not find"),
        ("a: b: c", "", "line 1"),
        ("[" * 50, "", "nested deeper"),
        ("? [a]\n: 1", "", "a key must be text"),
        ("a: \x00", "", "does not allow"),
        ("a: \ud800", "", "not valid text"),
        ("a" * 600_000, "", "larger than"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, field: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(text)
    problem = refused.value.problems[0]
    assert problem.field.startswith(field)
    assert says in problem.sentence


def test_every_path_has_its_line() -> None:
    known = lines("a: 1\nb:\n  - x: 1\n    y:\n      z: 2\n  - 3\n")
    assert [line_of(known, p) for p in ("a", "b", "b[0].x", "b[0].y.z", "b[1]")] == [1, 2, 3, 5, 6]
    assert line_of(known, "b[0].missing") == 3
    assert line_of(known, "nowhere.at[3].all") == 1


def test_document_is_stored_small_and_comes_back_whole() -> None:
    assert unpack(pack(STORED)) == STORED
    assert len(pack(STORED)) < len(STORED.yaml) / 2


def test_damaged_document_is_refused() -> None:
    whole = pack(STORED)
    noise = (b"", b"a: 1", whole[:-3], whole[:9] + b"x" + whole[10:], b"z1" + os.urandom(40))
    for kept in noise:
        with pytest.raises(Invalid):
            unpack(kept)


def test_most_holidays_that_a_document_may_have_are_stored_beside_the_largest_text() -> None:
    wheel = WheelHolidays(2026)
    asked = [HolidaySet(code, "", 10) for code in sorted(set(wheel.countries().values()))]
    wordy = sorted(asked, key=lambda one: -len(repr(wheel.days(one))))[:DOCUMENT_SETS_MAX]
    sets = tuple(Expanded(one, wheel.days(one) or {}) for one in wordy)
    most = Stored(
        "\u20ac" * (512 * 1024 // 3), STORED.applied_at, "ruth", Expansion("1", 2026, sets)
    )
    assert unpack(pack(most)) == most
    with pytest.raises(Invalid):
        pack(replace(most, yaml="x" * 9_000_000))


def test_problem_is_told_with_its_line() -> None:
    text = demo_text().replace("policy: patient", "policy: pateint", 1)
    with pytest.raises(Invalid) as refused:
        check(text, WheelZones(), WheelHolidays(2026))
    line = next(n for n, words in enumerate(text.splitlines(), 1) if "pateint" in words)
    problem = refused.value.problems[0]
    assert problem.field == "queues[3].policy"
    assert problem.sentence == f"line {line}: there is no policy 'pateint'; did you mean patient?"


def test_demo_document_has_nothing_to_complain_of() -> None:
    config = check(demo_text(), WheelZones(), WheelHolidays(2026))
    assert len(config.agents) == 40
    assert set(config.channels) == {"voice", "chat", "email", "social", "shop"}
    assert config.languages == ("nl", "en", "de", "fr")
    assert all(set(topic.words) == set(config.languages) for topic in config.topics.values())
