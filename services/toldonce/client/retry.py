"""Asking again: only what may have happened, and only with the same ids."""

import asyncio
from collections.abc import Awaitable, Callable

from toldonce.kernel.errors import Unavailable

TRIES_MAX = 6
PAUSE_MAX_S = 2.0


async def again[T](call: Callable[[], Awaitable[T]], *, tries_max: int = TRIES_MAX) -> T:
    """Call until it answers; raises what it refuses, and Unavailable after `tries_max` tries.

    `call` must send the same operation, offer or message id each time: then it is done once.
    """
    for left in range(tries_max - 1, -1, -1):
        try:
            return await call()
        except Unavailable as later:
            if not left:
                raise
            await asyncio.sleep(min(later.retry_s, PAUSE_MAX_S))
    raise AssertionError
