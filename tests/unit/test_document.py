"""YAML is read narrowly, and every problem has a line."""

import os

import pytest

from toldonce.kernel.config import read
from toldonce.kernel.errors import Invalid
from toldonce.runtime.document import demo_text, line_of, lines, load, pack, unpack
from toldonce.runtime.zones import WheelZones


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
    text = demo_text()
    assert unpack(pack(text)) == text
    assert len(pack(text)) < len(text) / 2


def test_damaged_document_is_refused() -> None:
    whole = pack("a: 1")
    for stored in (b"", b"a: 1", whole[:-3], whole[:5] + b"x" + whole[6:], b"z1" + os.urandom(40)):
        with pytest.raises(Invalid):
            unpack(stored)


def test_demo_document_has_nothing_to_complain_of() -> None:
    config = read(load(demo_text()), WheelZones())
    assert len(config.agents) == 40
    assert set(config.channels) == {"voice", "chat", "email", "social", "shop"}
    assert config.languages == ("nl", "en", "de", "fr")
    assert all(set(topic.words) == set(config.languages) for topic in config.topics.values())
