"""Ids drawn in this process."""

from toldonce.kernel.ids import is_own
from toldonce.runtime.ids import new_id


def test_ids_are_drawn_in_rising_order_and_never_twice():
    drawn = [new_id() for _ in range(20_000)]
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == len(drawn)
    assert all(map(is_own, drawn))
