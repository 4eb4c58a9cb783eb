"""Rows in order, in pieces: adding and removing one moves a piece, not everything. Pure.

A row is a key and a name; no row is there twice. With a hundred thousand rows a change costs a few
microseconds, where one list costs half a hundred; finding a place adds up the pieces before it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

PIECE_MAX = 1_024
_LAST = "\x7f"  # after every name


class Ordered[Key: (int, tuple[int, int])]:
    """Rows in the order of their keys, those of one key by name."""

    __slots__ = ("_count", "_lasts", "_pieces")

    def __init__(self) -> None:
        """Hold nothing."""
        self._pieces: list[list[tuple[Key, str]]] = []
        self._lasts: list[tuple[Key, str]] = []  # of each piece
        self._count = 0

    def __len__(self) -> int:
        """Count the rows."""
        return self._count

    def add(self, key: Key, name: str) -> None:
        """Put a row in."""
        row = (key, name)
        self._count += 1
        if not self._pieces:
            self._pieces.append([row])
            self._lasts.append(row)
            return
        number = min(bisect_left(self._lasts, row), len(self._pieces) - 1)
        piece = self._pieces[number]
        insort(piece, row)
        if len(piece) > PIECE_MAX:
            half = len(piece) // 2
            self._pieces[number : number + 1] = piece[:half], piece[half:]
            self._lasts[number : number + 1] = piece[half - 1], piece[-1]
        else:
            self._lasts[number] = piece[-1]

    def remove(self, key: Key, name: str) -> None:
        """Take a row out; it must be there."""
        row = (key, name)
        number = bisect_left(self._lasts, row)
        piece = self._pieces[number]
        del piece[bisect_left(piece, row)]
        self._count -= 1
        if piece:
            self._lasts[number] = piece[-1]
        else:
            del self._pieces[number], self._lasts[number]

    def before(self, key: Key, name: str) -> int:
        """Count the rows before one."""
        row = (key, name)
        number = bisect_left(self._lasts, row)
        whole = sum(map(len, self._pieces[:number]))
        return (
            whole + bisect_left(self._pieces[number], row) if number < len(self._pieces) else whole
        )

    def until(self, key: Key) -> int:
        """Count the rows up to a key, those with it too."""
        row = (key, _LAST)
        number = bisect_right(self._lasts, row)
        whole = sum(map(len, self._pieces[:number]))
        return (
            whole + bisect_right(self._pieces[number], row) if number < len(self._pieces) else whole
        )

    def between(self, after: Key | None, until: Key) -> Iterator[tuple[Key, str]]:
        """Give the rows after one key (None: from the first) and up to another, in order.

        To be read before the next change.
        """
        begin = (after, _LAST) if after is not None else None
        end = (until, _LAST)
        number = 0 if begin is None else bisect_right(self._lasts, begin)
        while number < len(self._pieces):
            piece = self._pieces[number]
            begins = 0 if begin is None else bisect_right(piece, begin)
            ends = bisect_right(piece, end)
            yield from piece[begins:ends]
            if ends < len(piece):
                return
            number += 1
