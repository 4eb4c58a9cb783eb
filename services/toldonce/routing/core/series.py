"""Own ids in a row: unlike others as hashes are, and each made from the one before in no time."""

from typing import Final

from toldonce.kernel.ids import LOW_BITS, PAIRS, Own, first_of_series, written

_BLOCK_BITS: Final = 10  # what the last two characters say


class Series:
    """The ids that follow from `parts` and their number alone; see `kernel.ids`."""

    __slots__ = ("_block", "_first", "_low", "_stem")

    def __init__(self, kind: str, *parts: str | bytes | int) -> None:
        """Begin one."""
        number = first_of_series(kind, *parts)
        self._first, self._low = number & ~LOW_BITS, number & LOW_BITS
        self._block, self._stem = -1, ""

    def nth(self, number: int) -> Own:
        """Make the id of a `number` below 2**48: different numbers, different ids."""
        block = number >> _BLOCK_BITS
        if block != self._block:
            self._block = block
            self._stem = written(self._first | self._low ^ number)[:-2]
        return Own(self._stem + PAIRS[(self._low ^ number) & 1023])
