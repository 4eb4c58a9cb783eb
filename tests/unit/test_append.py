"""The append algorithm, one answer of the server at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from toldonce.kernel.errors import Exhausted, Invalid, Unavailable
from toldonce.runtime.answers import read_answer
from toldonce.runtime.append import (
    BUSY_TRIES_MAX,
    TRIES_MAX,
    Accepted,
    Answer,
    Busy,
    Full,
    Moved,
    Regression,
    Silent,
    Unsent,
    append,
)
from toldonce.runtime.log import Committed, Outcome, Refused, Stored, Unknown

_AT = datetime(2026, 1, 5, tzinfo=UTC)


def _stored(sequence: int, message_id: str, subject: str = "story.a") -> Stored:
    return Stored(subject, sequence, b"x", message_id, _AT)


class Scripted:
    """A server that answers as the test wrote it, and remembers what it was sent."""

    def __init__(
        self, answers: Sequence[Answer], history: Sequence[Stored] = (), *, deaf: int = 0
    ) -> None:
        self._answers = iter(answers)
        self._history = list(history)
        self._deaf = deaf
        self.sent: list[str] = []

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        self.sent.append(message_id)
        return next(self._answers)

    async def get(self, sequence: int) -> Stored | None:
        self._hear()
        return next((one for one in self._history if one.sequence == sequence), None)

    async def read(self, subject: str, *, after: int = 0, upto: int | None = None) -> list[Stored]:
        self._hear()
        return [one for one in self._history if one.subject == subject and one.sequence > after]

    def _hear(self) -> None:
        if self._deaf:
            self._deaf -= 1
            raise Unavailable("deaf")


async def _append(wire: Scripted, expected: int = 5) -> Outcome:
    async def pause(number: int) -> None:
        assert number > 0

    return await append(
        wire, "story.a", b"x", expected=expected, message_id="m", fence=lambda: b"f", pause=pause
    )


async def test_an_append_accepted_at_once_is_committed() -> None:
    assert await _append(Scripted([Accepted(6, duplicate=False)])) == Committed(6, duplicate=False)


async def test_an_append_that_never_left_says_that_nothing_was_written() -> None:
    wire = Scripted([Unsent()] * 3)
    with pytest.raises(Unavailable, match="nothing was written"):
        await _append(wire)
    assert wire.sent == ["m", "m", "m"]


async def test_a_busy_server_is_asked_again_and_at_last_fenced() -> None:
    tries = BUSY_TRIES_MAX + TRIES_MAX
    wire = Scripted([*[Busy()] * tries, Accepted(6, duplicate=False)])
    assert await _append(wire) == Refused(6)
    assert wire.sent == [*["m"] * tries, "m.fence.5"]


async def test_a_fence_found_to_be_there_already_refuses_too() -> None:
    history = [_stored(6, "m.fence.5"), _stored(7, "other")]
    wire = Scripted([*[Silent()] * 3, Accepted(6, duplicate=True)], history)
    assert await _append(wire) == Refused(6)


async def test_a_fence_that_came_too_late_finds_what_came_before() -> None:
    silent = [Silent()] * 3
    assert await _append(Scripted([*silent, Moved(6)], [_stored(6, "other")])) == Refused(6)
    mine = Scripted([*silent, Moved(7)], [_stored(6, "m"), _stored(7, "other")])
    assert await _append(mine) == Committed(6, duplicate=True)


async def test_a_fence_nobody_answers_leaves_the_append_unknown() -> None:
    assert await _append(Scripted([Silent()] * 5)) == Unknown()
    assert await _append(Scripted([*[Silent()] * 3, Full("disk"), Unsent()])) == Unknown()


async def test_a_read_that_does_not_reach_the_end_named_proves_nothing() -> None:
    wire = Scripted([Moved(8), Moved(8), Accepted(9, duplicate=True)], [_stored(7, "other")])
    with pytest.raises(Invalid, match="message_id"):
        await _append(wire)
    wire = Scripted([Moved(8)] * 5, [_stored(7, "other")])
    assert await _append(wire) == Unknown()


async def test_a_read_that_fails_leaves_the_matter_open_for_the_next_try() -> None:
    wire = Scripted([Moved(6), Moved(6)], [_stored(6, "m")], deaf=1)
    assert await _append(wire) == Committed(6, duplicate=True)


async def test_an_acknowledged_repeat_that_cannot_be_read_back_is_unknown() -> None:
    wire = Scripted([Accepted(6, duplicate=True)] * 5, deaf=5)
    assert await _append(wire) == Unknown()


async def test_a_condition_refused_without_a_newer_message_is_tried_again() -> None:
    wire = Scripted([Moved(5), Accepted(6, duplicate=False)])
    assert await _append(wire) == Committed(6, duplicate=False)


async def test_a_subject_that_ends_before_what_was_acknowledged_is_an_alarm() -> None:
    with pytest.raises(Regression, match="ends at 4 although 5"):
        await _append(Scripted([Moved(4)]))


async def test_a_full_log_refuses_unless_an_earlier_try_may_be_in_it() -> None:
    with pytest.raises(Exhausted, match="disk"):
        await _append(Scripted([Full("disk")]))
    wire = Scripted([Silent(), Full("disk"), Full("disk"), Silent(), Silent()])
    assert await _append(wire) == Unknown()


async def test_an_id_that_belongs_to_another_message_is_an_error() -> None:
    for other in (_stored(3, "m", "story.b"), _stored(3, "n")):
        with pytest.raises(Invalid, match="message_id"):
            await _append(Scripted([Accepted(3, duplicate=True)], [other]))


@pytest.mark.parametrize(
    ("code", "words", "answer"),
    [
        (10071, "wrong last sequence: 7", Moved(7)),
        (10071, "wrong last sequence", Busy()),
        (10164, "wrong last sequence", Busy()),
        (10158, "duplicate message id is in process", Busy()),
        (10054, "message size exceeds maximum allowed", Full("")),
        (10077, "maximum bytes exceeded", Full("")),
        (10077, "no space left on device", Silent()),
        (10008, "JetStream system temporarily unavailable", Silent()),
    ],
)
def test_each_error_of_the_server_proves_only_what_it_proves(
    code: int, words: str, answer: Answer
) -> None:
    data = f'{{"error":{{"code":400,"err_code":{code},"description":"{words}"}},"seq":0}}'
    found = read_answer(data.encode())
    assert type(found) is type(answer)
    assert found == answer or isinstance(found, Full)
