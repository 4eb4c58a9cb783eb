"""Drawing new ids: uuid7 as 26 characters, each greater than the one before in this process."""

import uuid_utils

from toldonce.kernel.ids import encode

_last = 0


def new_id() -> str:
    """Draw an own id (26 characters); sorts after every id this process has drawn before."""
    global _last  # noqa: PLW0603 - one number a process is the point
    number = uuid_utils.uuid7().int
    if number <= _last:
        number = _last + 1
    _last = number
    return encode(number.to_bytes(16, "big"))
