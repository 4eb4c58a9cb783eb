"""Who is there, from sightings that may be lost, doubled or late."""

from datetime import UTC, datetime, timedelta

import pytest

from toldonce.kernel.config.types import Presence as Patience
from toldonce.routing.core.types import Presence
from toldonce.routing.handler.presence import Directory
from toldonce.routing.handler.words import Phase, Sighting

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
PATIENCE = Patience(heartbeat_s=2, stale_s=6, gone_s=15)


class Watch:
    """A directory, and what it made of each sighting."""

    def __init__(self):
        self.directory = Directory()

    def see(self, at_s, phase, session="s1", agent="ann"):
        seen = Sighting("demo", agent, session, "h", phase, START)
        self.directory.hear(seen, at_s)
        return self.at(at_s)

    def at(self, at_s):
        now = START + timedelta(seconds=at_s)
        found = self.directory.changes(PATIENCE, at_s, now)
        return [(one.agent, one.presence, (one.at - START).total_seconds()) for one in found]


@pytest.fixture
def watch():
    return Watch()


def test_connected_agent_is_told_once(watch):
    assert watch.see(0.0, Phase.CONNECTED) == [("ann", Presence.CONNECTED, 0.0)]
    assert watch.see(2.0, Phase.HEARTBEAT) == []
    assert watch.see(2.0, Phase.HEARTBEAT) == []


def test_heartbeat_alone_is_enough_to_be_there(watch):
    assert watch.see(3.0, Phase.HEARTBEAT)[0][1] is Presence.CONNECTED


def test_silent_agent_is_stale_then_gone_since_the_last_sign_of_life(watch):
    watch.see(0.0, Phase.CONNECTED)
    watch.see(2.0, Phase.HEARTBEAT)
    assert watch.at(7.9) == []
    assert watch.at(8.1) == [("ann", Presence.STALE, 2.0)]
    assert watch.at(10.0) == []
    assert watch.at(17.5) == [("ann", Presence.GONE, 2.0)]
    assert watch.directory.next_s() is None


def test_broken_stream_counts_from_when_it_broke(watch):
    watch.see(0.0, Phase.CONNECTED)
    assert watch.see(1.5, Phase.GONE) == [("ann", Presence.STALE, 1.5)]


def test_agent_with_two_sessions_is_there_until_both_are_gone(watch):
    watch.see(0.0, Phase.CONNECTED)
    watch.see(1.0, Phase.CONNECTED, "s2")
    assert watch.see(2.0, Phase.GONE) == []
    assert watch.see(3.0, Phase.GONE, "s2") == [("ann", Presence.STALE, 3.0)]


def test_late_heartbeat_of_an_ended_session_brings_nobody_back(watch):
    watch.see(0.0, Phase.CONNECTED)
    watch.see(1.0, Phase.GONE)
    assert watch.see(1.1, Phase.HEARTBEAT) == []


def test_returning_agent_is_connected_again_under_the_same_session(watch):
    watch.see(0.0, Phase.CONNECTED)
    watch.see(1.0, Phase.GONE)
    assert watch.see(4.0, Phase.CONNECTED) == [("ann", Presence.CONNECTED, 4.0)]
    assert watch.at(9.0) == []


def test_directory_wakes_when_silence_changes_something(watch):
    watch.see(0.0, Phase.CONNECTED)
    watch.see(1.0, Phase.CONNECTED, "x", "bob")
    assert watch.directory.next_s() == 6.0
    assert [one[0] for one in watch.at(6.0)] == ["ann"]
    assert watch.directory.next_s() == 7.0
