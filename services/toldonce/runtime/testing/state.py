"""What a fake store holds: strings, hashes, sets and sorted sets, commands as Redis does them.

Only what views and timers use; any other command is a mistake and says so.
"""

from toldonce.runtime.store import ScriptFailed
from toldonce.runtime.testing.keyspace import whole_of
from toldonce.runtime.testing.sorted_sets import SortedSets

type Hash = dict[bytes, bytes]


class FakeState(SortedSets):
    """What is stored, with the commands of strings, hashes and sets too."""

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
                life = whole_of(options[words.index(word) + 1]) * unit
                self._pexpire(key, b"%d" % life)
        return b"OK"

    def _incrby(self, key: bytes, step: bytes) -> int:
        value = whole_of(self._of(bytes, key) or b"0") + whole_of(step)
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
        value = whole_of((self._of(dict, key) or {}).get(field, b"0")) + whole_of(step)
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
