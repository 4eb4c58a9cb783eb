"""A ring keeps the latest ids, knows them, and says what fell out."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from toldonce.kernel.ids import Own, encode
from toldonce.kernel.story.ring import Seen, added, entries, times

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
seens = st.builds(
    Seen,
    own=st.binary(min_size=16, max_size=16).map(lambda raw: Own(encode(raw))),
    at=st.integers(0, 10**9).map(lambda us: START + timedelta(microseconds=us)),
)


@given(st.lists(seens, max_size=12), st.integers(1, 5))
def test_ring_keeps_the_latest_and_drops_the_oldest(told: list[Seen], kept_max: int) -> None:
    ring, dropped = b"", []
    for seen in told:
        ring, fell = added(ring, seen, kept_max)
        dropped += fell
    assert list(entries(ring)) == told[-kept_max:]
    assert dropped + list(entries(ring)) == told


@given(st.lists(seens, max_size=6), seens)
def test_ring_counts_an_id_only_where_an_entry_begins(told: list[Seen], other: Seen) -> None:
    ring = b""
    for seen in told:
        ring, _ = added(ring, seen, 10)
    for seen in (*told, other):
        assert times(ring, seen.own) == [one.own for one in told].count(seen.own)
