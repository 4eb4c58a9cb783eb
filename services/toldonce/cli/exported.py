"""Reading back what `toldonce export-customer` wrote: the facts of stories, folded again.

The words of an export are not looked at. A file that a newer version wrote is refused where it
tells of something this version does not know.
"""

import dataclasses
import functools
import json
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from toldonce.client.clocks import ClockTold
from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.context import type_of
from toldonce.kernel.errors import Invalid, Missing
from toldonce.kernel.explanation import (
    NO_PROMISE,
    Explanation,
    explain,
    explain_promise,
    standing,
)
from toldonce.kernel.ids import CustomerId, Own, own_of, whole
from toldonce.kernel.past import Past, Stood, last_open
from toldonce.kernel.sla import clocks_of
from toldonce.kernel.story import events
from toldonce.kernel.story.events import Event
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.types import EMPTY, Commitment, Story

BYTES_MAX = 512 * 1024 * 1024


def case_in(file: Path, case_id: str) -> Past:
    """Find a case in an export as it was last open; raises Missing, Invalid naming the line."""
    return _case_of(list(history(file)), file, case_id)


def clocks_in(
    file: Path, config: Config, case_id: str, kind: ClockKind | None, now: datetime
) -> list[ClockTold]:
    """Explain the clocks of a case (all that are kept, or of one kind) as of `now`, or of its end.

    Those of its promises come last, the first to be due first, as of `now` also when it has ended.
    """
    told = list(history(file))
    past = _case_of(told, file, case_id)
    until = past.there.at if past.ended else now
    kinds = [one.kind for one in clocks_of(past.case, config, until)] if kind is None else [kind]
    found = [
        told_of(explain(past.case, config, one, until), config, case_ended=past.ended)
        for one in kinds
        if one is not ClockKind.COMMITMENT
    ]
    if kind in {None, ClockKind.COMMITMENT}:
        case = None if past.ended else past.case
        for customer, promise in _promises(told, past.case.own):
            read = explain_promise(promise, case, config, now)
            found.append(
                replace(
                    told_of(read, config, case_ended=False),
                    commitment_id=whole(customer, promise.own),
                )
            )
    if kind is ClockKind.COMMITMENT and not found:
        raise Missing("clock", NO_PROMISE)
    return found


def told_of(found: Explanation, config: Config, *, case_ended: bool) -> ClockTold:
    """Tell an explanation as the service tells it."""
    clock = found.clock
    stopped_at = found.facts.stopped_at if clock.ended else found.read_at if case_ended else None
    return ClockTold(
        kind=clock.kind.name,
        state=standing(clock, case_ended=case_ended).name,
        started_at=found.facts.started_at,
        warn_at=clock.warn_at,
        due_at=clock.due_at,
        ended_at=stopped_at,
        read_at=found.read_at,
        target_s=round(found.target.target_s),
        elapsed_s=clock.elapsed_s,
        remaining_s=clock.remaining_s,
        policy=found.policy,
        why=found.why,
        policy_version=config.policy_version,
        calendar=found.calendar.name,
        zone_name=found.calendar.zone_name,
        calendar_version=config.calendar_version,
        spans=found.spans,
    )


def history(file: Path) -> Iterator[Stood]:
    """Give how the stories of an export stood after each append, in log order."""
    heads: dict[str, Story] = {}
    latest: Stood | None = None
    for number, line in _lines(file):
        if line.get("line") != "event":
            continue
        try:
            customer, sequence = str(line["told_as"]), int(line["sequence"])
            at, event = datetime.fromisoformat(line["at"]), _event(line["type"], line["facts"])
        except (KeyError, TypeError, ValueError, Invalid) as wrong:
            raise Invalid(
                f"line {number}", f"{file} tells nothing readable there: {wrong}"
            ) from None
        if latest is not None and latest.sequence != sequence:
            yield latest
        heads[customer] = evolve(heads.get(customer, EMPTY), event, at.astimezone(UTC))
        latest = Stood(customer, sequence, at.astimezone(UTC), heads[customer])
    if latest is not None:
        yield latest


def _case_of(told: list[Stood], file: Path, case_id: str) -> Past:
    found = last_open(reversed(told), own_of(case_id))
    if found is None:
        raise Missing("case", f"{file} holds no case of this id")
    return found


def _promises(told: list[Stood], case: str) -> list[tuple[CustomerId, Commitment]]:
    """Give the open promises of a case and in whose story each stands, the first due first."""
    latest = {stood.customer: stood.head for stood in told}
    found = [
        (CustomerId(customer), promise)
        for customer, head in latest.items()
        for promise in head.commitments
        if promise.case == case
    ]
    return sorted(found, key=lambda one: (one[1].due_at, one[1].own))


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        if file.stat().st_size > BYTES_MAX:
            raise Invalid("--export", f"{file} is larger than {BYTES_MAX // 2**20} MiB")
        raw = file.read_bytes()
    except OSError as error:
        raise Invalid("--export", f"cannot read {file}: {error.strerror}") from None
    for number, line in enumerate(raw.splitlines(), 1):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Invalid(
                f"line {number}",
                f"{file} is no export: wanted what `toldonce export-customer` writes",
            )
        yield number, found


def _event(name: str, facts: dict[str, Any]) -> Event:
    kind = _events().get(name)
    if kind is None:
        raise ValueError(f"an event {name!r}, which this version does not know")
    made: Event = _made(kind, facts)
    return made


@functools.cache
def _events() -> dict[str, type]:
    kinds = get_args(events.Event.__value__)
    return {_name(kind): kind for kind in kinds}


def _name(kind: type) -> str:
    return type_of(object.__new__(kind))


def _made(kind: Any, value: Any) -> Any:  # noqa: ANN401 - whatever a fact is made of
    """Make of JSON what a fact of this type was."""
    if kind is Own:
        return own_of(value) if value else ""
    origin = get_origin(kind)
    if origin is tuple:
        return tuple(_made(get_args(kind)[0], one) for one in value)
    if origin in {types.UnionType, Union}:
        kinds = [one for one in get_args(kind) if one is not types.NoneType]
        return None if value is None else _made(kinds[0], value)
    if not isinstance(kind, type):  # a NewType that is written as it is
        return value
    if issubclass(kind, Enum):
        return kind[value]
    if issubclass(kind, datetime):
        return datetime.fromisoformat(value)
    if issubclass(kind, bytes):
        return bytes.fromhex(value) if isinstance(value, str) else b""  # a decision stands unpacked
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _made(hints[name], value[name]) for name in hints if name in value})
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} where {kind.__name__} is wanted")
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
