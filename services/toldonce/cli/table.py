"""A CSV file as contacts: each row its own customer, each with an id that a second run repeats."""

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from toldonce.client.submission import Address, Submission
from toldonce.kernel.errors import Invalid, Problem

ROWS_MAX = 1_000_000
BYTES_MAX = 512 * 1024 * 1024
PROBLEMS_MAX = 10
FIELD_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rows:
    """The contacts of a file and its SHA-256 (hex)."""

    digest: str
    contacts: tuple[Submission, ...]


def read(file: Path, text_column: str, channel: str, *, made_at: datetime | None = None) -> Rows:
    """Read a file; raises Invalid naming what is wrong and in which row.

    Rows count from 1, the header not counted. The message id of a row is the SHA-256 of the file
    and the row's number, so the same file is the same contacts wherever it lies; `made_at` is when
    the file was last written unless given.
    """
    raw, written_at = _bytes(file)
    digest = hashlib.sha256(raw).hexdigest()
    rows = _filled(file, raw, {"--text-column": text_column})
    at = made_at or written_at
    return Rows(
        digest,
        tuple(
            Submission(
                message_id=f"{digest}:{number}",
                made_at=at,
                channel=channel,
                text=text,
                addresses=(Address("ACCOUNT", f"{digest[:16]}-{number}"),),
            )
            for number, (text,) in rows
        ),
    )


def labelled(file: Path, text_column: str, topic_column: str) -> list[tuple[str, str]]:
    """Read the texts of a file with their topics; raises Invalid as `read` does."""
    raw, _ = _bytes(file)
    rows = _filled(file, raw, {"--text-column": text_column, "--topic-column": topic_column})
    return [(text, topic.strip()) for _, (text, topic) in rows]


def _filled(file: Path, raw: bytes, columns: dict[str, str]) -> list[tuple[int, list[str]]]:
    """Give the number of each row and its `columns` (by the option that names them), none empty."""
    rows = _rows(file, _decoded(file, raw), columns)
    empty = (
        Problem(f"row {number}", f"column {column} is empty")
        for number, cells in rows
        for column, cell in zip(columns.values(), cells, strict=True)
        if not cell.strip()
    )
    if problems := [*islice(empty, PROBLEMS_MAX)]:
        raise Invalid(problems[0].field, problems[0].sentence, *problems[1:])
    if not rows:
        raise Invalid("--file", f"{file} has a header and no rows")
    return rows


def _bytes(file: Path) -> tuple[bytes, datetime]:
    try:
        about = file.stat()
        if about.st_size > BYTES_MAX:
            raise Invalid("--file", f"{file} is larger than {BYTES_MAX // 2**20} MiB: split it")
        raw = file.read_bytes()
    except OSError as error:
        raise Invalid("--file", f"cannot read {file}: {error.strerror}") from None
    now = datetime.now(UTC)
    return raw, min(now, datetime.fromtimestamp(about.st_mtime, UTC))


def _decoded(file: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Invalid(
            f"line {line}",
            f"{file} is not UTF-8 there (byte 0x{raw[error.start]:02x}); save it as UTF-8",
        ) from None


def _rows(file: Path, text: str, columns: dict[str, str]) -> list[tuple[int, list[str]]]:
    csv.field_size_limit(FIELD_BYTES_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, list[str]]] = []
    try:
        header = next(reader, [])
        for option, column in columns.items():
            if column not in header:
                known = ", ".join(header) or "none at all"
                raise Invalid(option, f"{file} has no column {column}; it has {known}")
        places = {column: header.index(column) for column in columns.values()}
        for row in reader:
            if not row:
                continue
            number = len(found) + 1
            for column, place in places.items():
                if len(row) <= place:
                    raise Invalid(f"row {number}", f"ends before column {column}")
            if number > ROWS_MAX:
                raise Invalid("--file", f"{file} has more than {ROWS_MAX} rows: split it")
            found.append((number, [row[places[column]] for column in columns.values()]))
    except csv.Error as error:
        where = f"line {reader.line_num}"
        raise Invalid(where, f"{file} is not a table there: {error}") from None
    return found
