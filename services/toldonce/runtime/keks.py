"""The key-encryption keys as their folder has them now: a rotation reaches every process.

The folder is read again before a new block of keys is wrapped, when a block names a key nobody
here knows, and when what was read is RECHECK_S old. Where there is no folder (tests), the keys
stay what they were.
"""

import structlog

from toldonce.kernel.errors import Invalid
from toldonce.runtime.clock import Clock
from toldonce.runtime.secrets import Secrets, load_keks

RECHECK_S = 10.0
_log = structlog.get_logger()


class Keks:
    """The key-encryption keys of one process."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        """Begin with the keys that were read at the start."""
        self._folder = secrets.folder
        self._clock = clock
        self._keks, self._newest = secrets.keks, secrets.kek_id
        self._read_at_s = clock.monotonic()

    def newest(self) -> tuple[str, bytes]:
        """Give the id and the key (32 bytes) under which a new block is wrapped, read just now."""
        self._read()
        return self._newest, self._keks[self._newest]

    def find(self, kek_id: str) -> bytes | None:
        """Give a key (32 bytes) by its id, or None when there is none of this id (any more)."""
        stale = self._clock.monotonic() - self._read_at_s > RECHECK_S
        if stale or kek_id not in self._keks:
            self._read()
        return self._keks.get(kek_id)

    def _read(self) -> None:
        if self._folder is None:
            return
        try:
            self._keks, self._newest = load_keks(self._folder)
        except (Invalid, OSError) as error:
            _log.warning("the key-encryption keys cannot be read", error=type(error).__name__)
        else:
            self._read_at_s = self._clock.monotonic()
