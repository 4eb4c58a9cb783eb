"""When a process looks for garbage, and when there is none to be found."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# containers made until a look; of the young, then of the old: nearly all that a process holds lives
# as long as its stories, and looking through 100 000 of them stops everything for half a second
SELDOM: Final = (50_000, 20, 50)
MANY: Final = 10_000


@contextmanager
def kept() -> Iterator[None]:
    """Look for no garbage while something is made that all stays."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def settle(stories: int) -> None:
    """Look no more through what so many stories were read into; they go when nobody holds them.

    To be called while it is `kept`: the first look after would go through all of it.
    """
    if stories >= MANY and not gc.get_freeze_count():  # again and again would keep what is garbage
        gc.freeze()
