"""Where a customer's data key is kept, without the key."""

from dataclasses import dataclass

from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import parse_own

KEYS_A_BLOCK = 256


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A place among the keys: the block's id (26 characters) and the entry in it, 0 to 255."""

    block: str
    index: int

    def __post_init__(self) -> None:
        parse_own("key.block", self.block)
        if not 0 <= self.index < KEYS_A_BLOCK:
            raise Invalid("key.index", "an entry of a block is a number from 0 to 255")
