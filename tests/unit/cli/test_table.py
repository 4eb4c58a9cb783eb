"""A table as contacts: the same file is the same contacts, and what is wrong names its row."""

from pathlib import Path

import pytest

from toldonce.cli.table import read
from toldonce.kernel.errors import Invalid


def table(folder: Path, text: str | bytes) -> Path:
    file = folder / "messages.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_table_is_the_same_contacts_wherever_it_lies(tmp_path: Path) -> None:
    text = 'id,text\n1,hello\n2,"two\nlines, really"\n'
    first = read(table(tmp_path, text), "text", "email")
    (tmp_path / "copy").mkdir()
    second = read(table(tmp_path / "copy", text), "text", "email")
    assert [one.message_id for one in first.contacts] == [one.message_id for one in second.contacts]
    assert [one.text for one in first.contacts] == ["hello", "two\nlines, really"]
    assert len({one.addresses for one in first.contacts}) == 2
    assert first.contacts[0].message_id == f"{first.digest}:1"


def test_a_changed_table_is_other_contacts(tmp_path: Path) -> None:
    first = read(table(tmp_path, "text\nhello\n"), "text", "email")
    second = read(table(tmp_path, "text\nhello!\n"), "text", "email")
    assert first.contacts[0].message_id != second.contacts[0].message_id


def test_a_table_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    got = read(table(tmp_path, b"\xef\xbb\xbftext\nhello\n"), "text", "email")
    assert got.contacts[0].text == "hello"


@pytest.mark.parametrize(
    ("text", "field", "sentence"),
    [
        ("a,b\n1,2\n", "--text-column", "has no column text; it has a, b"),
        ("", "--text-column", "none at all"),
        ("text\nhello\n \n", "row 2", "is empty"),
        ("id,text\n1,hello\n2\n", "row 2", "ends before column text"),
        (b"text\nhello\ncaf\xe9\n", "line 3", "is not UTF-8"),
        ("text\n", "--file", "no rows"),
        ('text\n"open\n', "line 2", "is not a table"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_place(
    tmp_path: Path, text: str | bytes, field: str, sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence) as no:
        read(table(tmp_path, text), "text", "email")
    assert no.value.problems[0].field == field


def test_a_table_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot read"):
        read(tmp_path / "none.csv", "text", "email")
