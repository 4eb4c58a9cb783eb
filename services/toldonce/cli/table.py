"""A CSV file as contacts: each row its own customer, each with an id that a second run repeats."""

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
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
    rows = _rows(file, _decoded(file, raw), text_column)
    empty = [number for number, text in rows if not text.strip()]
    if empty:
        first, *more = (
            Problem(f"row {number}", f"column {text_column} is empty")
            for number in empty[:PROBLEMS_MAX]
        )
        raise Invalid(first.field, first.sentence, *more)
    if not rows:
        raise Invalid("--file", f"{file} has a header and no rows")
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
            for number, text in rows
        ),
    )


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


def _rows(file: Path, text: str, text_column: str) -> list[tuple[int, str]]:
    csv.field_size_limit(FIELD_BYTES_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, str]] = []
    try:
        header = next(reader, [])
        if text_column not in header:
            columns = ", ".join(header) or "none at all"
            raise Invalid("--text-column", f"{file} has no column {text_column}; it has {columns}")
        place = header.index(text_column)
        for row in reader:
            if not row:
                continue
            number = len(found) + 1
            if len(row) <= place:
                raise Invalid(f"row {number}", f"ends before column {text_column}")
            if number > ROWS_MAX:
                raise Invalid("--file", f"{file} has more than {ROWS_MAX} rows: split it")
            found.append((number, row[place]))
    except csv.Error as error:
        where = f"line {reader.line_num}"
        raise Invalid(where, f"{file} is not a table there: {error}") from None
    return found
