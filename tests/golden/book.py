"""How a golden log is kept: one JSON line a message, gzipped; payloads in base64."""

import base64
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from toldonce.runtime.log import Stored

FOLDER = Path(__file__).parent


def logs() -> list[Path]:
    """Name every golden log."""
    return sorted(FOLDER.glob("*.jsonl.gz"))


def write(path: Path, messages: Iterable[Stored]) -> int:
    """Keep messages in log order; returns how many."""
    count = 0
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        for message in messages:
            line = {
                "subject": message.subject,
                "sequence": message.sequence,
                "payload": base64.b64encode(message.payload).decode(),
            }
            file.write(json.dumps(line).encode() + b"\n")
            count += 1
    return count


def read(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Give subject, sequence and payload of each message."""
    with gzip.open(path, "rb") as file:
        for raw in file:
            line = json.loads(raw)
            yield line["subject"], line["sequence"], base64.b64decode(line["payload"])
