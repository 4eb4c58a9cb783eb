"""Faults put into the services on purpose: a checker that does not see them is no checker.

A mutant changes one line of the shipped code, in memory and while it runs. What it replaces is
named word for word, so a mutant whose line is gone fails loudly instead of missing quietly.
"""

import contextlib
import dataclasses
import inspect
import multiprocessing
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from typing import Any

from tests.sim import older
from tests.sim.episode import Mix, run
from toldonce.kernel.errors import Rejected
from toldonce.kernel.story import fold_case
from toldonce.ownership.core import cases, guards, offers, settling, timing
from toldonce.ownership.handler import moves, past, writer
from toldonce.ownership.projector import heads
from toldonce.routing.core import alarms, placing
from toldonce.runtime import append, view_scripts
from toldonce.runtime.ids import new_id
from toldonce.runtime.testing.log import FakeLog
from toldonce.sla.consumer import channels
from toldonce.sla.core import counts
from toldonce.sla.handler import stories, timers

EPISODES_MAX = 12
STEPS = 3_000
SECONDS_MAX = 60.0
HANGS_S = 120.0
type Patch = contextlib.AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault, what it changes, the checks that must name it, and the weather in which it shows.

    `seen_as` begins what is reported, invariant and sentence: a fault that only something else
    trips over is missed.
    """

    name: str
    patches: Callable[[], list[Patch]]
    seen_as: tuple[str, ...]
    mix: Mix = field(default_factory=Mix)


# ---- how a line is changed


@contextlib.contextmanager
def line(home: Any, name: str, old: str, new: str, **words: Any) -> Iterator[None]:
    """Have a function of a module or class run with `old` in its source replaced by `new`."""
    original = inspect.getattr_static(home, name)
    source = textwrap.dedent(inspect.getsource(original))
    if source.count(old) != 1:
        raise AssertionError(f"{name} holds {old!r} {source.count(old)} times: mend this mutant")
    space = dict(sys.modules[original.__module__].__dict__) | words
    exec(compile(source.replace(old, new), f"<mutant of {name}>", "exec"), space)  # noqa: S102
    changed = space[name]
    if inspect.ismodule(home):
        with everywhere(original, changed):
            yield
        return
    setattr(home, name, changed)
    try:
        yield
    finally:
        setattr(home, name, original)


@contextlib.contextmanager
def everywhere(original: Any, changed: Any) -> Iterator[None]:
    """Replace something in every module that has imported it by name."""
    found = [
        (module, name)
        for module in tuple(sys.modules.values())
        if module is not None
        and module.__name__.startswith(("toldonce", "tests.sim"))
        and module is not sys.modules[__name__]
        for name, value in tuple(vars(module).items())
        if value is original
    ]
    for module, name in found:
        setattr(module, name, changed)
    try:
        yield
    finally:
        for module, name in found:
            setattr(module, name, original)


@contextlib.contextmanager
def attribute(home: Any, name: str, changed: Any) -> Iterator[None]:
    """Replace an attribute, of a frozen thing too."""
    frozen = dataclasses.is_dataclass(home) and not isinstance(home, type)
    original = getattr(home, name) if frozen else inspect.getattr_static(home, name)
    put = object.__setattr__ if frozen else setattr
    put(home, name, changed)
    try:
        yield
    finally:
        put(home, name, original)


# ---- the faults


def _no_condition() -> list[Patch]:
    store = FakeLog._store  # noqa: SLF001

    def blind(self: FakeLog, subject: str, payload: bytes, expected: int, message_id: str) -> Any:
        places = self._by_subject.get(subject)
        return store(self, subject, payload, places[-1] if places else 0, message_id)

    return [attribute(FakeLog, "_store", blind)]


def _new_operation_on_retry() -> list[Patch]:
    write = writer.Writer.write
    seen: set[tuple[str, str]] = set()

    async def fresh(self: Any, ask: Any, *given: Any) -> Any:
        known = (ask.tenant, ask.by.operation)
        if known in seen:
            ask = dataclasses.replace(ask, by=dataclasses.replace(ask.by, operation=new_id()))
        seen.add(known)
        return await write(self, ask, *given)

    return [attribute(writer.Writer, "write", fresh)]


def _timeout_is_failure() -> list[Patch]:
    old = "case Silent():\n            tries.open = True"
    new = "case Silent():\n            raise Rejected('FAILED', 'no answer')"
    return [line(append, "_judge", old, new, Rejected=Rejected)]


def _last_message_only() -> list[Patch]:
    return [
        line(append, "_resolve", "for stored in seen:", "for stored in seen[-1:]:"),
        line(
            writer.Writer,
            "_before",
            "for logged in history:",
            "for logged in history[-1:]:",
        ),
    ]


def _stale_refusal() -> list[Patch]:
    return [line(writer.Writer, "_write", "fresh = placed is None", "fresh = True")]


def _at_least_position() -> list[Patch]:
    old = 'if stored != prev:\n        return [b"other", stored]'
    new = 'if int(position) <= int(stored):\n        return [b"ok", position]'
    source = textwrap.dedent(inspect.getsource(view_scripts._apply))  # noqa: SLF001
    if source.count(old) != 1:
        raise AssertionError("the view's script has changed: mend this mutant")
    space = dict(vars(view_scripts))
    exec(compile(source.replace(old, new), "<mutant>", "exec"), space)  # noqa: S102
    return [attribute(view_scripts.APPLY, "python", space["_apply"])]


def _local_timer() -> list[Patch]:
    return [
        line(timing, "_due", "if at is None or now < at:", "if at is None:"),
        line(
            timers.RedisTimers, "claim", "(self._margin_us, lease_us", "(-self._margin_us, lease_us"
        ),
    ]


def _no_tenant() -> list[Patch]:
    return [line(writer, "message_id", "{subject}|{operation}", "{operation}")]


def _any_id() -> list[Patch]:
    from toldonce.kernel import ids  # noqa: PLC0415
    from toldonce.runtime import log  # noqa: PLC0415

    parse, check = ids.parse_own, log.check_subject

    def parse_any(field: str, value: str) -> str:
        return value if value == "*" else parse(field, value)

    def check_any(subject: str) -> None:
        check(subject.replace("*", "x"))

    return [everywhere(parse, parse_any), everywhere(check, check_any)]


def _no_engine_epoch() -> list[Patch]:
    old = "if command.engine_epoch < story.engine_epoch:"
    new = "command = replace(command, engine_epoch=0)\n    if False:"
    return [line(offers, "make", old, new, replace=dataclasses.replace)]


def _sender_dropped() -> list[Patch]:
    old = "handoff=handoff, offers=()"
    return [line(fold_case, "transferring", old, 'handoff=handoff, offers=(), owner=""')]


def _same_epoch() -> list[Patch]:
    return [line(offers, "accept", "epoch=case.epoch + 1", "epoch=case.epoch")]


def _others_stay_asked() -> list[Patch]:
    return [line(offers, "accept", 'revoked(case, "TAKEN", spare=offer.own)', "()")]


def _ends_in_silence() -> list[Patch]:
    return [line(settling, "settled", "late = _late(story, after, events, at, rules)", "late = ()")]


def _older_writes_on() -> list[Patch]:
    return [attribute(older.Known, "_mine", int.__int__)]


def _hung_up() -> list[Patch]:
    old = "if case.callback_at and command.reason == HUNG_UP:"
    return [line(cases, "abandon", old, "if False:")]


def _before_its_time() -> list[Patch]:
    return [
        line(placing, "scheduled_us", "return at_us if at_us > now_us else 0", "return 0"),
        line(offers, "make", "if case.scheduled_at(now):", "if False:"),
    ]


def _half_a_move() -> list[Patch]:
    async def nothing(self: Any, tenant: str, source: str, to: str) -> None:
        """Leave it."""

    return [attribute(moves.Moves, "_complete_move", nothing)]


def _unseen() -> list[Patch]:
    return [line(guards, "seen_all", "if seen != case.last_customer_entry:", "if False:")]


def _freed_at_expiry() -> list[Patch]:
    old = "case = live.item.case.own\n"
    new = (
        "case = live.item.case.own\n"
        "            live.live = False\n"
        "            ledger.charge(live.item)\n"
        "            live.live = True\n"
    )
    return [line(alarms, "ring", old, new)]


def _late_head() -> list[Patch]:
    old = "expected=self._revisions.get(row, 0)"
    return [line(heads.HeadKeeper, "_put", old, "expected=None")]


def _repeat_is_new() -> list[Patch]:
    old = "if isinstance(event, Diverted) and event.contact == own:"
    return [line(past, "contact", old, "if False:")]


def _counted_again() -> list[Patch]:
    return [
        line(counts.Ledger, "take", "if sequence <= self.position:", "if False:"),
        line(channels.ChannelCounter, "_begin", "max(place, ", "max(place - 9, "),
    ]


def _story_not_read_again() -> list[Patch]:
    return [line(stories.Remembered, "_read", "for one in history:", "for one in history[-1:]:")]


FEW = {
    "customers": 1,
    "wide": 1.0,
    "tell_diverted": 12.0,
    "link": 0.0,
    "cancel": 0.0,
    "forget": 0.0,
    "hand_over": 0.2,
    "close": 3.0,
}
BUSY = {"customers": 2, "link": 0.2, "close": 2.0, "note": 0.3}
HASTY = {"customers": 2, "link": 0.2, "close": 6.0, "note": 0.3, "hand_over": 0.2, "wide": 0.0}
MUTANTS = (
    Mutant("no compare-and-set header", _no_condition, ("I4", "I5", "I1"), Mix(steps=1_500)),
    Mutant(
        "retry with a new operation id",
        _new_operation_on_retry,
        ("I3: what",),
        Mix(weights={"note": 3.0}, weather={"lost_ack": 0.1, "zombie": 0.03}),
    ),
    Mutant(
        "timeout taken for failure",
        _timeout_is_failure,
        ("I2",),
        Mix(weather={"zombie": 0.03, "lost_ack": 0.04}),
    ),
    Mutant(
        "own write looked for only in the last message",
        _last_message_only,
        ("I2", "I1"),
        Mix(weights=BUSY, weather={"lost_ack": 0.08}),
    ),
    Mutant(
        "refusal given from a stale cache",
        _stale_refusal,
        ("I2", "I6"),
        Mix(weights={"hand_over": 3.0}),
    ),
    Mutant(
        "`pos <= stored` in the view",
        _at_least_position,
        ("I10: the view",),
        Mix(weights={"store_back": 12.0, "wipe": 0.0, "kill": 0.2, "stop": 0.0}),
    ),
    Mutant(
        "timer from the local clock",
        _local_timer,
        ("I8",),
        Mix(weights={"skew": 4.0, "customers": 20}),
    ),
    Mutant("a clock stopped late says nothing", _ends_in_silence, ("I8: ",)),
    Mutant(
        "tenant missing from the message id",
        _no_tenant,
        ("I1", "I12"),
        Mix(weights={"same_operation": 0.6}),
    ),
    Mutant("wildcard id accepted", _any_id, ("I12",), Mix(weights={"wild_id": 5.0})),
    Mutant("offer without engine epoch", _no_engine_epoch, ("I5", "I11"), Mix(steps=2_000)),
    Mutant(
        "sender dropped before accept", _sender_dropped, ("I5",), Mix(weights={"hand_over": 3.0})
    ),
    Mutant("epoch not raised", _same_epoch, ("I5",)),
    Mutant(
        "head field lost by an N-1 writer",
        _older_writes_on,
        ("I10",),
        Mix(n_minus_1=True, weights={"call_back": 4.0}),
    ),
    Mutant(
        "hanging up ends a callback",
        _hung_up,
        ("I1",),
        Mix(weights={"call_back": 5.0}),
    ),
    Mutant(
        "a scheduled case offered early",
        _before_its_time,
        ("I8: ",),
        Mix(weights={"call_back": 5.0}),
    ),
    Mutant("others stay asked when one has accepted", _others_stay_asked, ("I5: ",)),
    Mutant("half a move left", _half_a_move, ("I1", "I7"), Mix(weights={"link": 3.0})),
    Mutant(
        "close over an unseen message",
        _unseen,
        ("I6: close",),
        Mix(weights=HASTY, weather={"very_slow": 0.04}, crowd_s=0.12),
    ),
    Mutant(
        "capacity freed at local expiry",
        _freed_at_expiry,
        ("I11",),
        Mix(weights={"ignore": 0.5}, weather={"very_slow": 0.06}, crowd_s=0.12),
    ),
    Mutant(
        "a late older head revives a closed story in OPEN",
        _late_head,
        ("I10: OPEN",),
        Mix(weights={"close": 3.0, "customers": 20}, weather={"zombie": 0.06}),
    ),
    Mutant(
        "channels counted again after a restart",
        _counted_again,
        ("P9: the channels of",),
        Mix(weights={"close": 3.0, "kill": 3.0}),
    ),
    Mutant(
        "what began before a restart is not read again",
        _story_not_read_again,
        ("P9: the channels of",),
        Mix(weights={"close": 3.0, "kill": 3.0}),
    ),
    Mutant(
        "a diverted repeat taken as new", _repeat_is_new, ("I3",), Mix(weights=FEW, crowd_s=0.06)
    ),
)


# ---- the hunt


def try_mutant(name: str) -> dict[str, Any]:
    """Run episodes with one fault put in until the check that is meant for it sees it."""
    mutant = next(one for one in MUTANTS if one.name == name)
    began_s = time.monotonic()
    caught, also, seed, steps, sentence = set[str](), set[str](), 0, 0, ""
    with contextlib.ExitStack() as stack:
        for patch in mutant.patches():
            stack.enter_context(patch)
        while not caught and seed < EPISODES_MAX and time.monotonic() - began_s < SECONDS_MAX:
            seed += 1
            report = run(seed, short(mutant.mix))
            steps += report.steps
            for broken in report.violations:
                said = f"{broken.invariant}: {broken.sentence}"
                if said.startswith(mutant.seen_as):
                    sentence = sentence or said
                    caught.add(broken.invariant)
                also.add(broken.invariant)
    return {
        "mutant": name,
        "caught_by": ", ".join(sorted(caught)),
        "also": ", ".join(sorted(also - caught)),
        "sentence": sentence[:200],
        "seed": seed,
        "steps": steps,
        "seconds": round(time.monotonic() - began_s, 1),
    }


def short(mix: Mix) -> Mix:
    """Make its episodes short: many beginnings and ends show more than one long middle."""
    return dataclasses.replace(mix, steps=mix.steps or STEPS)


def try_clean(name: str) -> dict[str, Any]:
    """Run the same weather without the fault: nothing may be seen."""
    mutant = next(one for one in MUTANTS if one.name == name)
    report = run(1, short(mutant.mix))
    return {
        "weather_of": name,
        "steps": report.steps,
        "violations": [dataclasses.asdict(broken) for broken in report.violations],
    }


type Tried = dict[str, Any] | None


def _apart(
    what: Callable[[str], dict[str, Any]], names: list[str], processes: int
) -> Iterator[tuple[str, Tried]]:
    """Do it for each name in a process of its own: whatever a fault leaves behind goes with it.

    A process that hangs, as a fault may have it do, is ended: it gives None.
    """
    apart = multiprocessing.get_context("fork")
    waiting, under_way = list(reversed(names)), dict[Any, tuple[str, Any, float]]()

    def begin(name: str, said: Any) -> None:
        said.send(what(name))

    while waiting or under_way:
        while waiting and len(under_way) < processes:
            name = waiting.pop()
            heard, said = apart.Pipe(duplex=False)
            process = apart.Process(target=begin, args=(name, said))
            process.start()
            said.close()
            under_way[heard] = (name, process, time.monotonic() + HANGS_S)
        ready = connection.wait(list(under_way), timeout=1.0)
        for heard, (name, process, ends_s) in tuple(under_way.items()):
            if heard not in ready and time.monotonic() < ends_s:
                continue
            result: Tried = None
            with contextlib.suppress(EOFError):
                result = heard.recv() if heard in ready else None
            process.kill()
            process.join()
            heard.close()
            del under_way[heard]
            yield name, result


def _told(name: str, one: Tried) -> str:
    if one is None:
        return f"MISSED, its process ended without a word or hung: {name}"
    return (
        f"{one['caught_by'] or 'MISSED'} after {one['seconds']} s and {one['seed']} "
        f"episodes: {name} (also: {one['also'] or 'nothing'})"
    )


def hunt(
    *, only: str = "", processes: int = 2, told: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Try every mutant, and every weather without one."""
    names = [mutant.name for mutant in MUTANTS if only in mutant.name]
    found = []
    for name, one in _apart(try_mutant, names, processes):
        found.append(one or {"mutant": name, "caught_by": "", "seconds": HANGS_S})
        told(_told(name, one))
    clean = []
    for name, one in _apart(try_clean, names, processes):
        clean.append(one or {"weather_of": name, "steps": 0, "violations": ["it never ended"]})
    found.sort(key=lambda one: names.index(one["mutant"]))
    for one in clean:
        for broken in one["violations"]:
            told(f"without a fault, in the weather of {one['weather_of']}: {broken}")
    return {
        "mutants": len(found),
        "caught": sum(bool(one["caught_by"]) for one in found),
        "missed": sum(not one["caught_by"] for one in found),
        "list": found,
        "unmutated_steps": sum(one["steps"] for one in clean),
        "unmutated_violations": sum(len(one["violations"]) for one in clean),
    }
