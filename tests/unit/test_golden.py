"""This version folds what released versions wrote to the heads they wrote."""

from collections import defaultdict
from pathlib import Path

import pytest

from tests.golden.book import logs, read
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.types import EMPTY
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.names import story, story_of

STORIES_MIN = 200


@pytest.mark.parametrize("path", logs(), ids=lambda path: path.name)
def test_version_folds_a_golden_log_to_the_same_heads(path: Path) -> None:
    heads, places = defaultdict(lambda: EMPTY), defaultdict(lambda: (0, b""))
    for subject, sequence, payload in read(path):
        logged = decode_logged(payload, sequence)
        record = logged.record
        assert story(*story_of(subject)) == subject
        assert (record.previous_sequence, record.previous_hash) == places[subject]
        heads[subject] = apply(heads[subject], record)
        places[subject] = (sequence, logged.digest)
        assert heads[subject] == record.head
    assert len(heads) >= STORIES_MIN


def test_there_is_a_golden_log() -> None:
    assert logs()
