"""Both sides of a handoff compute the same hash from what they hold."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toldonce.kernel.context import Item, canonical, context_hash

PAGE = Path(__file__).parents[2] / "proto" / "README.md"


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(PAGE.read_text().split("```json\n")[1].split("```")[0])
    return found


def item(of: dict[str, Any]) -> Item:
    return Item(**of | {"attributes": tuple(sorted(of["attributes"].items()))})


@pytest.mark.parametrize("vector", vectors())
def test_context_hashes_to_what_the_page_says(vector: dict[str, Any]) -> None:
    assert context_hash(item(one) for one in vector["items"]).hex() == vector["hash"]


def test_first_item_is_written_as_the_page_says() -> None:
    written = canonical(item(vectors()[1]["items"][0])).decode()
    assert f"\n{written}\n" in PAGE.read_text()


items = st.builds(
    Item,
    sequence=st.integers(0, 99),
    index=st.integers(0, 9),
    event_id=st.text(max_size=3),
    at_us=st.integers(0, 99),
    type=st.text(max_size=3),
    case=st.text(max_size=3),
    channel=st.text(max_size=2),
    actor=st.text(max_size=2),
    text=st.text(max_size=5),
    attributes=st.lists(st.tuples(st.text(max_size=2), st.text(max_size=2)), max_size=3).map(tuple),
)


@given(st.lists(items, max_size=4), st.lists(items, max_size=4))
def test_different_stories_are_written_differently(one: list[Item], two: list[Item]) -> None:
    written = [b"".join(canonical(each) for each in story) for story in (one, two)]
    assert (written[0] == written[1]) == (one == two)
