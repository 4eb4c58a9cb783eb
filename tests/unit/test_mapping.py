"""A decoded value is one of its dataclass in every respect, however it was made."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from tests.tellers import START
from toldonce.api.events.v1 import events_pb2 as pb
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import encode
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.types import EMPTY, Adviser, AdviserKind, Commitment, Story
from toldonce.runtime.mapping import Mapping

OWN = encode(bytes(16))


def test_a_reader_gets_back_what_a_writer_wrote_and_cannot_change_it() -> None:
    mapping = Mapping(Adviser, pb.Adviser)
    written = Adviser("anna", AdviserKind.WARM, START, START)
    read = mapping.decode(mapping.message(written))
    assert type(read) is Adviser
    assert (read, hash(read), repr(read)) == (written, hash(written), repr(written))
    assert read.kind is AdviserKind.WARM
    assert replace(read, agent="ben") == Adviser("ben", AdviserKind.WARM, START, START)
    with pytest.raises(FrozenInstanceError):
        read.agent = "ben"  # type: ignore[misc]


def test_a_reader_of_a_head_gets_every_field_though_none_was_written() -> None:
    read = Mapping(Story, pb.Story).decode(pb.Story(fold_version=EMPTY.fold_version))
    assert [getattr(read, field.name) for field in fields(Story)] == [
        getattr(EMPTY, field.name) for field in fields(Story)
    ]


def test_a_reader_refuses_a_number_that_is_no_member_of_its_enum() -> None:
    mapping = Mapping(Adviser, pb.Adviser)
    with pytest.raises(ValueError, match="9"):
        mapping.decode(pb.Adviser(agent="anna", kind=9))  # type: ignore[arg-type]


def test_a_reader_still_looks_at_what_a_class_checks_by_itself() -> None:
    mapping = Mapping(KeyRef, pb.KeyRef)
    with pytest.raises(Invalid):
        mapping.decode(pb.KeyRef(block=OWN, index=256))


def test_a_reader_makes_commitments_of_any_number_of_ids() -> None:
    mapping = Mapping(Commitment, pb.Commitment)
    made = [Commitment(encode(bytes([n]) * 16), OWN, "anna", START, START) for n in range(3)]  # type: ignore[arg-type]
    assert [mapping.decode(mapping.message(one)) for one in made] == made


def test_names_are_kept_once_and_words_are_not() -> None:
    written = Adviser("anna the second", AdviserKind.WARM, START, START)
    for named in (True, False):
        mapping = Mapping(Adviser, pb.Adviser, named=named)
        one, other = (mapping.decode(mapping.message(written)) for _ in range(2))
        assert one == other == written
        assert (one.agent is other.agent) is named
