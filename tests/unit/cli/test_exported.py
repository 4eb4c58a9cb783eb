"""What an export tells is read back as it was: every kind of fact, and every case of a real log."""

import dataclasses
import json
import types
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from tests.golden.book import logs, read
from tests.tellers import customer, own
from toldonce.cli import exported
from toldonce.cli.exported import case_in, history
from toldonce.kernel.errors import Invalid, Missing
from toldonce.kernel.ids import CustomerId, Own, whole
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import Event, Fenced, Offered
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY, Story
from toldonce.ownership.handler.export import Exported
from toldonce.ownership.wire import pieces
from toldonce.ownership.wire.export import _plain
from toldonce.runtime.envelope import decode_logged

SEED = 4711
EVENT = '{"line":"event","told_as":"x","sequence":1,"at":"2026-01-01T00:00:00+00:00",'
KINDS = [kind for kind in get_args(Event.__value__) if kind not in {Fenced, Offered}]
JOAN = CustomerId(customer())


def sample(kind: Any, random: Random) -> Any:
    """Make something of a type."""
    if kind is Own:
        return random.choice(["", own("a"), own("b")])
    if get_origin(kind) is tuple:
        return tuple(sample(get_args(kind)[0], random) for _ in range(random.randint(0, 2)))
    if get_origin(kind) is types.UnionType:
        return sample(random.choice(get_args(kind)), random)
    if kind is types.NoneType:
        return None
    if not isinstance(kind, type):
        return customer("any")
    if issubclass(kind, Enum):
        return random.choice(list(kind))
    if kind is KeyRef:
        return KeyRef(own("block"), random.randint(0, 9))
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: sample(hints[name], random) for name in names})
    if issubclass(kind, datetime):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=random.randint(0, 10**15))
    plain = {
        str: "é ☃",
        int: random.randint(0, 99),
        bool: random.random() < 0.5,
        bytes: b"\x00\xff",
    }
    return plain[kind]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_fact_is_read_back_as_it_was(kind: type[Event]) -> None:
    random = Random(f"{SEED}:{kind.__name__}")  # noqa: S311 - drawn again from its seed
    for _ in range(20):
        event = sample(kind, random)
        written = json.loads(json.dumps(_plain(event, JOAN)))
        name = exported._name(kind)  # noqa: SLF001
        assert exported._event(name, written) == event, f"seed {SEED}"  # noqa: SLF001


async def export_of(story: list[Logged]) -> bytes:
    async def given() -> AsyncIterator[Exported]:
        for logged in story:
            yield Exported(CustomerId(logged.record.customer), logged=logged)

    return b"".join([piece.chunk async for piece in pieces(given())])


@pytest.mark.parametrize("path", logs(), ids=lambda path: path.name)
async def test_cases_of_a_real_log_are_folded_again_from_its_export(
    path: Path, tmp_path: Path
) -> None:
    stories: dict[str, list[Logged]] = {}
    for subject, sequence, payload in read(path):
        stories.setdefault(subject, []).append(decode_logged(payload, sequence))
    compared = 0
    for story in stories.values():
        file = tmp_path / "one.jsonl"
        file.write_bytes(await export_of(story))
        head, heads = EMPTY, dict[int, Story]()
        for logged in story:
            head = heads[logged.sequence] = apply(head, logged.record)
        for stood in history(file):
            assert stood.head.cases == heads[stood.sequence].cases
            compared += 1
    assert compared > len(stories) > 200


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("no json\n", "line 1", "is no export"),
        ("[1]\n", "line 1", "is no export"),
        ('{"line":"story"}\n{"line":"event"}\n', "line 2", "tells nothing readable"),
        (
            EVENT + '"type":"made_up","facts":{}}\n',
            "line 1",
            "which this version does not know",
        ),
        (
            EVENT + '"type":"priority_raised","facts":{"case":"","priority":"much","reason":""}}\n',
            "line 1",
            "int is wanted",
        ),
    ],
)
def test_file_that_is_no_export_is_refused_with_its_line(
    tmp_path: Path, text: str, where: str, why: str
) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match=why) as no:
        case_in(file, whole(JOAN, own("case")))
    assert no.value.problems[0].field == where


def test_case_that_is_not_in_an_export_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "none.jsonl"
    file.write_text("", encoding="utf-8")
    with pytest.raises(Missing):
        case_in(file, whole(JOAN, own("case")))
    with pytest.raises(Invalid, match="cannot read"):
        case_in(tmp_path / "away.jsonl", whole(JOAN, own("case")))
