"""This version folds what released versions wrote to the heads they wrote.

A head of an older fold lacks what was added since: that is left out of the comparison. So are the
ids of recorded timers, whose place the marks have taken.
"""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.golden.book import logs, read
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.types import EMPTY, Case, Story
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.names import story, story_of

STORIES_MIN = 200
CLOCKS_SINCE = 4
CLOCKS: dict[str, Any] = {
    "tier": "",
    "widened": False,
    "asked_at": None,
    "replied_at": None,
    "resolve_from_at": None,
    "pauses": (),
    "marks": (),
}


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
        assert as_of(record.head.fold_version, heads[subject]) == record.head
    assert len(heads) >= STORIES_MIN


def as_of(fold_version: int, head: Story) -> Story:
    """Give a head as a version that folds so would have written it."""
    if fold_version < CLOCKS_SINCE:
        timeless = tuple(replace(case, **CLOCKS) for case in head.cases)
        head = replace(head, cases=timeless)
    if fold_version > 1:
        return replace(head, fold_version=fold_version)
    cases = tuple(_first(case) for case in head.cases)
    return replace(
        head,
        fold_version=1,
        cases=cases,
        commitments=(),
        forgotten=False,
    )


def _first(case: Case) -> Case:
    handoff = case.handoff and replace(case.handoff, warm=False)
    return replace(
        case,
        handoff=handoff,
        former_owners=(),
        former_queues=(),
        advisers=(),
        lapse=None,
        incident="",
    )


def test_there_is_a_golden_log() -> None:
    assert logs()
