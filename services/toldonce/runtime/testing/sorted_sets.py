"""Sorted sets of a fake store: members with their scores."""

from collections.abc import Sequence

from toldonce.runtime.store import ScriptFailed, encode
from toldonce.runtime.testing.keyspace import Keyspace, whole_of


class ZSet(dict[bytes, float]):
    """A sorted set: members with their scores."""


class SortedSets(Keyspace):
    """What is stored, with the commands of sorted sets."""

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
        first, last = whole_of(start), whole_of(stop)
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
            skip, count = whole_of(words[place + 1]), whole_of(words[place + 2])
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


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ScriptFailed("ERR value is not a valid float") from error


def _bound(text: bytes) -> tuple[float, bool]:
    """Read one end of a range of scores: `5`, `(5` without the end itself, `-inf`, `+inf`."""
    return (_float(text[1:]), True) if text.startswith(b"(") else (_float(text), False)
