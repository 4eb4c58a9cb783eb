"""Log lines: JSON with a constant event text and facts as fields.

Only fields named here leave the process, so that what customers said and who they are cannot. An
exception is told by its kind and its places, never by its message.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

import structlog

FIELDS = frozenset(
    {
        *("event", "level", "timestamp", "logger", "service", "version", "dropped"),
        *("tenant", "method", "code", "reason", "error", "frames", "incident_id"),
        *("case_id", "contact_id", "offer_id", "handoff_id", "timer_id", "entry_id", "event_id"),
        *("customer_id", "operation_id", "command", "outcome", "agent", "queue", "channel"),
        *("gateway", "role", "what", "stream", "subject", "view", "key", "block", "server"),
        *("sequence", "epoch", "generation", "revision", "expected", "position", "first", "last"),
        *("count", "ready", "waiting", "open", "attempt", "size", "pid", "exit_code", "signal"),
        *("port", "listening", "path", "sentence"),
    }
)
_UNITS = ("_s", "_ms", "_bytes", "_count", "_max", "_at", "_ratio")
_VALUE_CHARS_MAX = 400
_FRAMES_MAX = 12


def set_up_logging(*, level: str = "info", pretty: bool | None = None) -> None:
    """Send log lines to stderr: JSON, or for people when stderr is a terminal (`pretty`)."""
    number = logging.getLevelNamesMapping()[level.upper()]
    people = sys.stderr.isatty() if pretty is None else pretty
    renderer = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            only_known_fields,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def logger() -> Any:  # noqa: ANN401 - structlog gives no narrower type
    """Give the log that services write their lines to: a constant event, facts as fields."""
    return structlog.get_logger()


def only_known_fields(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Keep the fields that are known to hold no words and no addresses; name the others."""
    kept: dict[str, Any] = {}
    dropped = []
    for name, value in line.items():
        if name in {"exc_info", "exception", "stack"}:
            kept |= _fault(value)
        elif name in FIELDS or name.endswith(_UNITS):
            kept[name] = _plain(value)
        else:
            dropped.append(name)
    if dropped:
        kept["dropped"] = dropped
    return kept


def frames(exc: BaseException) -> list[str]:
    """Say where an exception came from, innermost last: places, never values or messages."""
    stack = traceback.extract_tb(exc.__traceback__)[-_FRAMES_MAX:]
    return [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in stack]


def _fault(value: object) -> dict[str, Any]:
    exc = sys.exc_info()[1] if value is True else value
    if isinstance(exc, BaseException):
        return {"error": type(exc).__name__, "frames": frames(exc)}
    return {}


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value[:_FRAMES_MAX]]
    text = str(value)
    return text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "…"


class _Stderr:
    """Writes lines to stderr; a stderr that has gone away stops nobody."""

    def __init__(self, *_args: object) -> None:
        """Take nothing: stderr is looked up for each line."""

    def msg(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


class _Forward(logging.Handler):
    """Passes on what libraries log: where and what kind, but never the values they filled in."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the template of the message, not its arguments."""
        say: Callable[..., Any] = structlog.get_logger().warning
        template = record.msg if record.args and isinstance(record.msg, str) else ""
        fault = record.exc_info[1] if record.exc_info else None
        say("a library says", logger=record.name, sentence=template, exc_info=fault)
