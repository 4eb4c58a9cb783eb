"""Runs the same steps against a real store and the fake and compares all that can be seen.

Whoever writes a script adds a test that hands random calls of it to `compare`: the Lua and the
Python twin must give the same answers and leave the same state.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from toldonce.runtime.store import RedisStore, Script, ScriptFailed, Store, Value
from toldonce.runtime.testing.store import FakeStore

type Step = tuple[Script | str, Sequence[str], Sequence[Value]]

_UNORDERED = {"HGETALL", "SMEMBERS"}


async def compare(real: RedisStore, fake: FakeStore, steps: Iterable[Step]) -> None:
    """Wipe both, do every step on both; answers and the state at the end must be equal."""
    await real.flushall()
    await fake.flushall()
    done = []
    for step in steps:
        done.append(step)
        there, here = await _do(real, step), await _do(fake, step)
        assert there == here, f"after {done}: the server says {there!r}, the fake {here!r}"
    keys = sorted(await real.call("KEYS", "*"))
    for key in keys:
        reading = _READINGS[(await real.call("TYPE", key)).decode()]
        step = (reading[0], [key.decode()], reading[1:])
        assert await _do(real, step) == await _do(fake, step), f"{key!r} differs after {done}"
    assert await fake.call("EXISTS", *keys) == len(keys) if keys else True
    assert sorted(fake.state.keys()) == keys, f"keys differ after {done}"


_READINGS: dict[str, tuple[Any, ...]] = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}


async def _do(store: Store, step: Step) -> Any:
    what, keys, args = step
    try:
        if isinstance(what, Script):
            return await store.run(what, keys, args)
        answer = await store.call(what, *keys, *args)
    except ScriptFailed as error:
        return str(error).split(" ", 1)[0]
    if what == "HGETALL":
        return sorted(zip(answer[::2], answer[1::2], strict=True))
    return sorted(answer) if what in _UNORDERED else answer
