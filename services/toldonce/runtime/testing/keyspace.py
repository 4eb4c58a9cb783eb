"""What a fake store keeps under its keys, and for how long; commands are methods of their name."""

import copy
from collections.abc import Callable
from typing import Any

from toldonce.runtime.clock import Clock
from toldonce.runtime.store import ScriptFailed, Value, encode


class Keyspace:
    """What is stored, of any kind; `call` is the one way in, for twins too."""

    def __init__(self, clock: Clock) -> None:
        """Start empty; times to live run on `clock`."""
        self._clock = clock
        self._kept: dict[bytes, Any] = {}
        self._ends_at: dict[bytes, float] = {}

    def call(self, command: str, *arguments: Value) -> Any:  # noqa: ANN401
        """Do one command as Redis would; raises ScriptFailed where Redis answers an error."""
        method: Callable[..., Any] | None = getattr(self, f"_{command.lower()}", None)
        if method is None:
            raise ScriptFailed(f"ERR unknown command '{command}'")
        words = [encode(argument) for argument in arguments]
        for key in [key for key, ends in self._ends_at.items() if ends <= self._now()]:
            self._drop(key)
        try:
            return method(*words)
        except TypeError as error:
            raise ScriptFailed(
                f"ERR wrong number of arguments for '{command.lower()}' command"
            ) from error

    def keys(self) -> list[bytes]:
        """Every key that holds something."""
        return [key for key in self._kept if self._ends_at.get(key, self._now() + 1) > self._now()]

    def copied(self) -> tuple[dict[bytes, Any], dict[bytes, float]]:
        """Copy everything, as a snapshot on disk holds it."""
        return copy.deepcopy((self._kept, self._ends_at))

    def restore(self, kept: tuple[dict[bytes, Any], dict[bytes, float]]) -> None:
        """Be as a copy says, as a server that loads an older snapshot."""
        self._kept, self._ends_at = copy.deepcopy(kept)

    def _now(self) -> float:
        return self._clock.monotonic()

    def _drop(self, key: bytes) -> bool:
        self._ends_at.pop(key, None)
        return self._kept.pop(key, None) is not None

    def _of[T](self, kind: type[T], key: bytes) -> T | None:
        found = self._kept.get(key)
        if found is not None and type(found) is not kind:
            raise ScriptFailed("WRONGTYPE Operation against a key holding the wrong kind of value")
        return found

    def _made[T](self, kind: type[T], key: bytes) -> T:
        found = self._of(kind, key)
        if found is None:
            found = self._kept[key] = kind()
        return found

    def _tidy(self, key: bytes) -> None:
        if not self._kept.get(key, True):
            self._drop(key)

    # ---- keys

    def _del(self, *keys: bytes) -> int:
        return sum(self._drop(key) for key in keys)

    _unlink = _del

    def _exists(self, *keys: bytes) -> int:
        return sum(key in self._kept for key in keys)

    def _pexpire(self, key: bytes, life_ms: bytes) -> int:
        if key not in self._kept:
            return 0
        if whole_of(life_ms) <= 0:
            self._drop(key)
        else:
            self._ends_at[key] = self._now() + whole_of(life_ms) / 1000
        return 1

    def _expire(self, key: bytes, life_s: bytes) -> int:
        return self._pexpire(key, b"%d" % (whole_of(life_s) * 1000))

    def _pttl(self, key: bytes) -> int:
        if key not in self._kept:
            return -2
        ends = self._ends_at.get(key)
        return -1 if ends is None else round((ends - self._now()) * 1000)

    def _flushall(self) -> bytes:
        self._kept.clear()
        self._ends_at.clear()
        return b"OK"

    def _ping(self) -> bytes:
        return b"PONG"

    def _time(self) -> list[bytes]:
        micros = int(self._clock.now().timestamp() * 1_000_000)
        return [b"%d" % (micros // 1_000_000), b"%d" % (micros % 1_000_000)]


def whole_of(text: bytes) -> int:
    """Read a whole number; raises ScriptFailed."""
    try:
        return int(text)
    except ValueError as error:
        raise ScriptFailed("ERR value is not an integer or out of range") from error
