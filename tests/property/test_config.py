"""Whatever is thrown at the reader of configurations, it answers or refuses; it never breaks."""

import contextlib
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from toldonce.kernel.config import Config, read
from toldonce.kernel.config.parse import SECTIONS
from toldonce.kernel.errors import Invalid
from toldonce.runtime.document import demo_text
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.yaml_tree import line_of, lines, load
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
HOLIDAYS = WheelHolidays(2026)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=12)
    | st.sampled_from(
        ["orders", "nl", "always", "09:00-17:00", "Europe/Amsterdam", "2026-12-25", "NL"]
    )
    | st.binary(max_size=3)
)
keys = st.sampled_from(
    [
        "name",
        "queue",
        "skills",
        "weekly",
        "country",
        "region",
        "steps",
        "targets",
        "monday",
        "open",
        "cost",
        "words",
    ]
) | st.text(max_size=8)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)
documents = st.dictionaries(st.sampled_from(SECTIONS) | st.text(max_size=5), trees) | trees


@settings(max_examples=400, deadline=None)
@given(documents)
def test_reader_answers_or_refuses_any_tree(tree: object) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(read(tree, ZONES, HOLIDAYS), Config)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in inner:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += _places(value, (*path, key))
    return found


GOOD = load(demo_text())
PLACES = _places(GOOD)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), trees | st.just("drop")), max_size=3))
def test_reader_answers_or_refuses_any_damage_to_a_good_document(
    damage: list[tuple[tuple[Any, ...], object]],
) -> None:
    tree: Any = copy.deepcopy(GOOD)
    for path, value in damage:
        place = tree
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for step in path[:-1]:
                place = place[step]
            if value == "drop":
                del place[path[-1]]
            else:
                place[path[-1]] = value
    with contextlib.suppress(Invalid):
        assert isinstance(read(tree, ZONES, HOLIDAYS), Config)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("ab:-[]{}#&*!|>'\"\n ,?%@`", max_size=60))
def test_text_is_read_or_refused_and_every_path_has_a_line(text: str) -> None:
    try:
        load(text)
    except Invalid:
        return
    known = lines(text)
    assert all(line >= 1 for line in known.values())
    assert line_of(known, "nowhere") >= 1
