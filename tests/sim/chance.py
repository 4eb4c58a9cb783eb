"""Everything that would differ from run to run, made to follow from a seed.

Ids, keys, nonces, the time on clocks and what the weather does are drawn here; no other module of
the simulation, and nothing it runs, may ask the machine.
"""

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from unittest import mock

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sim.loop import START_S, VirtualLoop
from tests.sim.older import Known
from toldonce.intake import bind as intake_bind
from toldonce.kernel.story.types import FOLD_VERSION
from toldonce.ownership.handler import recorder, stories
from toldonce.ownership.projector import views
from toldonce.runtime import config, feed, history, ids, keys
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.secrets import Secrets

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_UUID7 = (7 << 76) | (2 << 62)
_RANDOM_BITS = (1 << 62) - 1


class SimClock:
    """A process's clock: the true time plus what it is wrong by."""

    __slots__ = ("_loop", "skew_s")

    def __init__(self, loop: VirtualLoop, skew_s: float = 0.0) -> None:
        self._loop = loop
        self.skew_s = skew_s

    def now(self) -> datetime:
        since_s = self._loop._virtual_s - START_S + self.skew_s  # noqa: SLF001 - asked very often
        return EPOCH + timedelta(microseconds=round(since_s * 1e6))

    def monotonic(self) -> float:
        return self._loop.time()


@dataclass(frozen=True, slots=True)
class _Drawn:
    int: int


class _Ids:
    """Stands for `uuid_utils` in `runtime.ids`."""

    def __init__(self, rng: random.Random, clock: SimClock) -> None:
        self._rng = rng
        self._clock = clock

    def uuid7(self) -> _Drawn:
        since = self._clock.now() - datetime(1970, 1, 1, tzinfo=UTC)
        stamp = since // timedelta(milliseconds=1)
        low = self._rng.getrandbits(62)
        middle = self._rng.getrandbits(12)
        return _Drawn(stamp << 80 | 7 << 76 | middle << 64 | 2 << 62 | low)


class _Os:
    """Stands for `os` where only bytes are drawn from it."""

    def __init__(self, rng: random.Random) -> None:
        self.urandom = rng.randbytes


class _Random:
    """Stands for `random` where a generator is made without a seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def Random(self) -> random.Random:  # noqa: N802 - the name of what it stands for
        return random.Random(self._rng.getrandbits(64))  # noqa: S311


@cache
def secrets() -> Secrets:
    """The keys of every simulated house: the same always."""
    signing = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return Secrets(
        tenant_root=bytes(range(32)),
        keks={"1": bytes(range(1, 33))},
        kek_id="1",
        believed={"1": signing.public_key()},
        signing=signing,
        signing_id="1",
    )


class Faults(list[str]):
    """What the services logged as a fault of their own."""

    def take(self, _logger: object, method: str, line: Any) -> Any:
        if method in {"error", "exception", "critical"}:
            self.append(f"{line.get('event')}: {dict(line)}")
        raise structlog.DropEvent


@contextlib.contextmanager
def seeded(seed: str, loop: VirtualLoop) -> Iterator[Faults]:
    """Have everything that is drawn follow from `seed` while this lasts."""
    rng = random.Random(f"machine {seed}")  # noqa: S311
    faults = Faults()
    before = structlog.get_config()
    structlog.configure(
        processors=[faults.take], wrapper_class=structlog.make_filtering_bound_logger(40)
    )
    known: dict[bytes, Any] = {}

    def decode(payload: bytes, sequence: int) -> Any:
        """Decode once, whoever reads: the same bytes are the same record."""
        found = known.get(payload)
        if found is None or found.sequence != sequence:
            found = known[payload] = decode_logged(payload, sequence)
        return found

    with contextlib.ExitStack() as stack:
        for where, name, stand_in in (
            (ids, "uuid_utils", _Ids(rng, SimClock(loop))),
            (ids, "_last", 0),
            (keys, "os", _Os(rng)),
            (keys, "KEYS_A_BLOCK", keys.KEYS_A_BLOCK),
            (recorder, "os", _Os(rng)),
            (views, "random", _Random(rng)),
            (feed, "decode_logged", decode),
            (history, "decode_logged", decode),
            (config, "check", _checked),
            *((where, "FOLD_VERSION", Known(FOLD_VERSION)) for where in (feed, history, stories)),
            (intake_bind, "Languages", _OneLanguage),
        ):
            stack.enter_context(mock.patch.object(where, name, stand_in))
        try:
            yield faults
        finally:
            structlog.configure(**before)


class _OneLanguage:
    """Stands for the language model, which nobody asks: every contact says its language."""

    def detect(self, text: str, languages: Sequence[str]) -> str:
        return languages[0]


_check = config.check
_documents: dict[str, Any] = {}


def _checked(text: str, zones: Any, expansion: Any) -> Any:
    """Read a document once: a thousand processes have the same one."""
    key = text + repr(expansion)
    if key not in _documents:
        _documents[key] = _check(text, zones, expansion)
    return _documents[key]
