"""Redis or Valkey: views, timers and presence; all of it may be wiped at any moment.

Changes that must be whole are scripts: each has its Lua and a Python twin that does the same to the
fake's state, and the contract suite runs both on the same random operations. Nothing is retried
here: a script whose answer was lost may have run, so its caller reads the position again. Replies
are the server's own (RESP 2, bytes): what a script sees, its caller sees too.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, cast

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from toldonce.kernel.errors import Unavailable

type Value = bytes | str | int | float
type Twin = Callable[["State", Sequence[str], Sequence[bytes]], Any]

_CONNECTIONS_MAX = 32
_CONNECT_S = 1.0
_ANSWER_S = 2.0
_WHOLE_MAX = 1e17  # beyond, a score is shown with an exponent
_BUSY = ("OOM", "LOADING", "BUSY", "READONLY", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED")


class State(Protocol):
    """What a twin works on; `call` is to Python what `redis.call` is to Lua."""

    def call(self, command: str, *arguments: Value) -> Any:  # noqa: ANN401  as the command has it
        """Do one command; replies as Redis gives them (bytes, int, None, list)."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """One change to the store, in Lua and in Python; `KEYS` and `ARGV` as in Redis."""

    name: str
    lua: str
    python: Twin
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        sha = hashlib.sha1(self.lua.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)


class ScriptFailed(Exception):
    """A command or script is wrong: a fault of ours, not of the moment."""


class Store(Protocol):
    """The store as projectors, timers and readers see it; every call may raise Unavailable."""

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> Any:  # noqa: ANN401
        """Run a script once. Unavailable: it may or may not have run."""
        ...

    async def call(self, command: str, *arguments: Value) -> Any:  # noqa: ANN401
        """Do one command."""
        ...

    async def pipeline(self, commands: Sequence[Sequence[Value]]) -> list[Any]:
        """Do several commands in one go, in order, others may come between; their replies."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Read a value."""
        ...

    async def set(self, key: str, value: Value, *, ttl_s: float | None = None) -> None:
        """Write a value, for `ttl_s` seconds if given."""
        ...

    async def delete(self, *keys: str) -> int:
        """Delete keys; returns how many there were."""
        ...

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        """Read a whole hash (empty when there is none)."""
        ...

    async def zrange(self, key: str, start: int = 0, stop: int = -1) -> list[tuple[bytes, float]]:
        """Read a sorted set by rank, both ends included, lowest score first."""
        ...

    async def zrange_by_score(
        self, key: str, lowest: float, highest: float, *, limit_max: int = 1000
    ) -> list[tuple[bytes, float]]:
        """Read a sorted set by score, both ends included, lowest first."""
        ...

    async def flushall(self) -> None:
        """Wipe everything (tests and drills)."""
        ...


class Commands:
    """The typed readings, made of `call`; shared by the real store and the fake."""

    async def call(self, command: str, *arguments: Value) -> Any:  # noqa: ANN401
        """Do one command; given by the store itself."""
        raise ScriptFailed(f"{type(self).__name__} cannot do {command} {arguments}")

    async def get(self, key: str) -> bytes | None:
        """See `Store.get`."""
        return cast("bytes | None", await self.call("GET", key))

    async def set(self, key: str, value: Value, *, ttl_s: float | None = None) -> None:
        """See `Store.set`."""
        life: tuple[Value, ...] = () if ttl_s is None else ("PX", round(ttl_s * 1000))
        await self.call("SET", key, value, *life)

    async def delete(self, *keys: str) -> int:
        """See `Store.delete`."""
        return int(await self.call("DEL", *keys)) if keys else 0

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        """See `Store.hgetall`."""
        flat = await self.call("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def zrange(self, key: str, start: int = 0, stop: int = -1) -> list[tuple[bytes, float]]:
        """See `Store.zrange`."""
        return _scored(await self.call("ZRANGE", key, start, stop, "WITHSCORES"))

    async def zrange_by_score(
        self, key: str, lowest: float, highest: float, *, limit_max: int = 1000
    ) -> list[tuple[bytes, float]]:
        """See `Store.zrange_by_score`."""
        words = ("WITHSCORES", "LIMIT", 0, limit_max)
        return _scored(await self.call("ZRANGEBYSCORE", key, lowest, highest, *words))

    async def flushall(self) -> None:
        """See `Store.flushall`."""
        await self.call("FLUSHALL")


class RedisStore(Commands):
    """`Store` on Redis >= 7.0 or Valkey; one connection pool. Make one a role."""

    def __init__(self, client: Redis) -> None:
        """Use `RedisStore.open`."""
        self._client = client
        self._execute: Callable[..., Awaitable[Any]] = client.execute_command

    @classmethod
    def open(cls, url: str, *, connections_max: int = _CONNECTIONS_MAX, **options: Any) -> Self:  # noqa: ANN401
        """Prepare a pool for `redis://...`; it connects when first used. `options`: of redis-py."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections_max,
            timeout=_ANSWER_S,
            socket_timeout=_ANSWER_S,
            socket_connect_timeout=_CONNECT_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **options,
        )
        client = Redis.from_pool(pool)
        client.response_callbacks.clear()
        return cls(client)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> Any:  # noqa: ANN401
        """See `Store.run`."""
        rest = (len(keys), *keys, *map(encode, args))
        try:
            return await self._do(self._execute("EVALSHA", script.sha, *rest))
        except redis_errors.NoScriptError:
            return await self._do(self._execute("EVAL", script.lua, *rest))

    async def call(self, command: str, *arguments: Value) -> Any:  # noqa: ANN401
        """See `Store.call`."""
        return await self._do(self._execute(command, *map(encode, arguments)))

    async def pipeline(self, commands: Sequence[Sequence[Value]]) -> list[Any]:
        """See `Store.pipeline`."""
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*map(encode, command))
        return cast("list[Any]", await self._do(pipe.execute()))

    async def _do(self, reply: Awaitable[Any]) -> Any:  # noqa: ANN401
        try:
            return await reply
        except redis_errors.NoScriptError:
            raise
        except (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError) as error:
            raise Unavailable(
                f"The store does not answer ({type(error).__name__}).", retry_s=0.5
            ) from error
        except redis_errors.RedisError as error:
            if str(error).startswith(_BUSY) or isinstance(error, redis_errors.OutOfMemoryError):
                raise Unavailable(
                    f"The store cannot do this now ({type(error).__name__}).", retry_s=1.0
                ) from error
            raise ScriptFailed(str(error)) from error


def encode(value: Value) -> bytes:
    """Return what is sent for a value: whole numbers without a fraction, text as UTF-8."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < _WHOLE_MAX
        return b"%d" % int(value) if whole else repr(value).encode()
    return str(value).encode()


def _scored(flat: Sequence[bytes]) -> list[tuple[bytes, float]]:
    return [(member, float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]
