"""What a fake store holds: strings, hashes, sets and sorted sets, commands as Redis does them.

Only what views and timers use; any other command is a mistake and says so.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from toldonce.runtime.clock import Clock
from toldonce.runtime.store import ScriptFailed, Value, encode

type Hash = dict[bytes, bytes]


class ZSet(dict[bytes, float]):
    """A sorted set: members with their scores."""


class FakeState:
    """What is stored; `call` is the one way in, for twins too."""

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
        if _int(life_ms) <= 0:
            self._drop(key)
        else:
            self._ends_at[key] = self._now() + _int(life_ms) / 1000
        return 1

    def _expire(self, key: bytes, life_s: bytes) -> int:
        return self._pexpire(key, b"%d" % (_int(life_s) * 1000))

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

    # ---- strings

    def _get(self, key: bytes) -> bytes | None:
        return self._of(bytes, key)

    def _mget(self, *keys: bytes) -> list[bytes | None]:
        found = (self._kept.get(key) for key in keys)
        return [value if isinstance(value, bytes) else None for value in found]

    def _set(self, key: bytes, value: bytes, *options: bytes) -> bytes | None:
        words = [option.upper() for option in options]
        if b"NX" in words and key in self._kept:
            return None
        if b"XX" in words and key not in self._kept:
            return None
        self._drop(key)
        self._kept[key] = value
        for word, unit in ((b"PX", 1), (b"EX", 1000)):
            if word in words:
                life = _int(options[words.index(word) + 1]) * unit
                self._pexpire(key, b"%d" % life)
        return b"OK"

    def _incrby(self, key: bytes, step: bytes) -> int:
        value = _int(self._of(bytes, key) or b"0") + _int(step)
        self._kept[key] = b"%d" % value
        return value

    def _incr(self, key: bytes) -> int:
        return self._incrby(key, b"1")

    def _decr(self, key: bytes) -> int:
        return self._incrby(key, b"-1")

    # ---- hashes

    def _hset(self, key: bytes, field: bytes, value: bytes, *more: bytes) -> int:
        if len(more) % 2:
            raise ScriptFailed("ERR wrong number of arguments for 'hset' command")
        pairs = [(field, value), *zip(more[::2], more[1::2], strict=True)]
        found: Hash = self._made(dict, key)
        added = sum(name not in found for name in dict(pairs))
        found.update(pairs)
        return added

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        return (self._of(dict, key) or {}).get(field)

    def _hmget(self, key: bytes, field: bytes, *more: bytes) -> list[bytes | None]:
        found: Hash = self._of(dict, key) or {}
        return [found.get(name) for name in (field, *more)]

    def _hgetall(self, key: bytes) -> list[bytes]:
        found: Hash = self._of(dict, key) or {}
        return [word for pair in found.items() for word in pair]

    def _hkeys(self, key: bytes) -> list[bytes]:
        found: Hash = self._of(dict, key) or {}
        return list(found)

    def _hdel(self, key: bytes, field: bytes, *more: bytes) -> int:
        found: Hash = self._of(dict, key) or {}
        gone = sum(found.pop(name, None) is not None for name in (field, *more))
        self._tidy(key)
        return gone

    def _hexists(self, key: bytes, field: bytes) -> int:
        return int(field in (self._of(dict, key) or {}))

    def _hlen(self, key: bytes) -> int:
        return len(self._of(dict, key) or {})

    def _hincrby(self, key: bytes, field: bytes, step: bytes) -> int:
        value = _int((self._of(dict, key) or {}).get(field, b"0")) + _int(step)
        self._made(dict, key)[field] = b"%d" % value
        return value

    # ---- sets

    def _sadd(self, key: bytes, member: bytes, *more: bytes) -> int:
        found: set[bytes] = self._made(set, key)
        before = len(found)
        found.update((member, *more))
        return len(found) - before

    def _srem(self, key: bytes, member: bytes, *more: bytes) -> int:
        found: set[bytes] = self._of(set, key) or set()
        before = len(found)
        found.difference_update((member, *more))
        gone = before - len(found)
        self._tidy(key)
        return gone

    def _smembers(self, key: bytes) -> list[bytes]:
        return sorted(self._of(set, key) or set())

    def _sismember(self, key: bytes, member: bytes) -> int:
        return int(member in (self._of(set, key) or set()))

    def _scard(self, key: bytes) -> int:
        return len(self._of(set, key) or set())

    # ---- sorted sets

    def _zadd(self, key: bytes, *words: bytes) -> int:
        flags = []
        while words and words[0].upper() in {b"NX", b"XX"}:
            flags.append(words[0].upper())
            words = words[1:]
        if not words or len(words) % 2:
            raise ScriptFailed("ERR syntax error")
        pairs = [
            (member, _float(score)) for score, member in zip(words[::2], words[1::2], strict=True)
        ]
        found = self._made(ZSet, key)
        before = len(found)
        for member, score in pairs:
            known = member in found
            if not (known and b"NX" in flags) and not (not known and b"XX" in flags):
                found[member] = score
        added = len(found) - before
        self._tidy(key)
        return added

    def _zrem(self, key: bytes, member: bytes, *more: bytes) -> int:
        found = self._of(ZSet, key) or ZSet()
        gone = sum(found.pop(name, None) is not None for name in (member, *more))
        self._tidy(key)
        return gone

    def _zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = (self._of(ZSet, key) or ZSet()).get(member)
        return None if score is None else encode(score)

    def _zincrby(self, key: bytes, step: bytes, member: bytes) -> bytes:
        found = self._made(ZSet, key)
        found[member] = found.get(member, 0.0) + _float(step)
        return encode(found[member])

    def _zcard(self, key: bytes) -> int:
        return len(self._of(ZSet, key) or ZSet())

    def _zcount(self, key: bytes, lowest: bytes, highest: bytes) -> int:
        return len(self._between(key, lowest, highest))

    def _zrank(self, key: bytes, member: bytes) -> int | None:
        names = [name for name, _ in self._ordered(key)]
        return names.index(member) if member in names else None

    def _zrange(self, key: bytes, start: bytes, stop: bytes, *options: bytes) -> list[bytes]:
        ordered = self._ordered(key)
        first, last = _int(start), _int(stop)
        first = max(first + len(ordered), 0) if first < 0 else first
        last = last + len(ordered) if last < 0 else last
        return _reply(ordered[first : last + 1], options)

    def _zrangebyscore(
        self, key: bytes, lowest: bytes, highest: bytes, *options: bytes
    ) -> list[bytes]:
        found = self._between(key, lowest, highest)
        words = [option.upper() for option in options]
        if b"LIMIT" in words:
            place = words.index(b"LIMIT")
            skip, count = _int(words[place + 1]), _int(words[place + 2])
            found = found[skip:] if count < 0 else found[skip : skip + count]
        return _reply(found, options)

    def _zremrangebyscore(self, key: bytes, lowest: bytes, highest: bytes) -> int:
        gone = [name for name, _ in self._between(key, lowest, highest)]
        return self._zrem(key, *gone) if gone else 0

    def _ordered(self, key: bytes) -> list[tuple[bytes, float]]:
        found = self._of(ZSet, key) or ZSet()
        return sorted(found.items(), key=lambda pair: (pair[1], pair[0]))

    def _between(self, key: bytes, lowest: bytes, highest: bytes) -> list[tuple[bytes, float]]:
        low, low_open = _bound(lowest)
        high, high_open = _bound(highest)
        return [
            (name, score)
            for name, score in self._ordered(key)
            if (score > low or (score == low and not low_open))
            and (score < high or (score == high and not high_open))
        ]


def _reply(pairs: Sequence[tuple[bytes, float]], options: Sequence[bytes]) -> list[bytes]:
    if b"WITHSCORES" in [option.upper() for option in options]:
        return [word for name, score in pairs for word in (name, encode(score))]
    return [name for name, _ in pairs]


def _int(text: bytes) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ScriptFailed("ERR value is not an integer or out of range") from error


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ScriptFailed("ERR value is not a valid float") from error


def _bound(text: bytes) -> tuple[float, bool]:
    """Read one end of a range of scores: `5`, `(5` without the end itself, `-inf`, `+inf`."""
    return (_float(text[1:]), True) if text.startswith(b"(") else (_float(text), False)
