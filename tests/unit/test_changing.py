"""`replace` of the kernel gives what that of the standard library gives."""

import dataclasses
import pickle
from datetime import UTC, datetime

import pytest

from loadtests.timers.fill import kind
from toldonce.kernel.changing import replace
from toldonce.kernel.errors import Invalid
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.types import EMPTY, CaseState, SkillNeed

HEAD = kind(datetime(2026, 1, 5, 9, 0, tzinfo=UTC)).head
CASE = HEAD.cases[-1]


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (CASE, {"priority": 7, "state": CaseState.CLOSED}),
        (CASE, {}),
        (HEAD, {"cases": (), "messages": 9}),
        (EMPTY, {"moved_to": "x"}),
        (SkillNeed("help", 3), {"level": 1}),
        (KeyRef(CASE.own, 1), {"index": 2}),
    ],
)
def test_copy_is_that_of_the_standard_library_and_the_first_stays_as_it_was(value, changes):
    before = repr(value)
    made, wanted = replace(value, **changes), dataclasses.replace(value, **changes)
    assert (made, hash(made), repr(made)) == (wanted, hash(wanted), repr(wanted))
    assert type(made) is type(value)
    assert pickle.loads(pickle.dumps(made)) == wanted  # noqa: S301 - our own bytes
    assert repr(value) == before


def test_copy_is_as_frozen_as_the_first():
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(CASE, priority=1).priority = 2


@pytest.mark.parametrize("value", [CASE, KeyRef(CASE.own, 1)])
def test_field_that_is_not_there_is_refused(value):
    with pytest.raises(TypeError):
        replace(value, colour="red")


def test_what_checks_itself_when_made_still_does():
    with pytest.raises(Invalid):
        replace(KeyRef(CASE.own, 1), index=-1)
