"""Who may publish and subscribe what: the tables from which the NATS users are made.

Everything that is not allowed is denied. A new name gets its owner here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from toldonce.runtime.names import (
    AGENTS,
    BUCKETS,
    COMMANDS_QUEUE,
    CONFIG,
    DECISIONS,
    EVERY_COMMAND,
    EVERY_CONFIG_HINT,
    EVERY_DECISION,
    EVERY_ENGINE,
    EVERY_HINT,
    EVERY_LINES,
    EVERY_PRESENCE,
    EVERY_STORY,
    KEYS,
    LEASES,
    OPEN,
    STORY_EPOCH,
    TIMERS,
    TIMERS_CLAIMS,
    elected,
    inbox,
    jetstream,
    near,
    settles,
)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one NATS user may publish and subscribe; everything else is denied."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False


def _reads(*streams: str) -> tuple[str, ...]:
    """Publish rights to look at streams with a short-lived consumer; nothing that changes them."""
    each = (
        "STREAM.INFO.{}",
        "STREAM.MSG.GET.{}",
        "CONSUMER.CREATE.{}.>",
        "CONSUMER.INFO.{}.>",
        "CONSUMER.MSG.NEXT.{}.>",
    )
    asked = (form.format(stream) for stream in streams for form in each)
    return tuple(map(jetstream, ("INFO", *asked)))


def _user(
    service: str,
    *,
    reads: Sequence[str],
    publish: Sequence[str] = (),
    subscribe: Sequence[str] = (),
    responds: bool = False,
) -> Permissions:
    return Permissions(
        (*_reads(*reads), *publish),
        (f"{inbox(service)}.>", *map(elected, reads), EVERY_HINT, EVERY_CONFIG_HINT, *subscribe),
        responds=responds,
    )


def permissions(epoch: int = STORY_EPOCH) -> Mapping[str, Permissions]:
    """Give the NATS permissions of each user; `ownership` alone publishes to stories.

    `setup` may create streams, which no service may; nobody may change, purge or delete one. The
    epochs beside this one can be read too, so that the log can go on in the next.
    """
    logs = near(epoch)
    streams = (*logs, *(bucket.stream for bucket in BUCKETS), TIMERS.stream, DECISIONS)
    return MappingProxyType(
        {
            "ownership": _user(
                "ownership",
                reads=(*logs, OPEN.stream, CONFIG.stream, KEYS.stream, LEASES.stream),
                publish=(EVERY_STORY, *OPEN.subjects, *KEYS.subjects, *LEASES.subjects, EVERY_HINT),
                subscribe=(f"{EVERY_COMMAND} {COMMANDS_QUEUE}",),
                responds=True,
            ),
            "intake": _user(
                "intake",
                reads=(*logs, OPEN.stream, CONFIG.stream, KEYS.stream, LEASES.stream),
                publish=(EVERY_COMMAND, EVERY_LINES),
            ),
            "routing": _user(
                "routing",
                reads=(
                    *logs,
                    OPEN.stream,
                    CONFIG.stream,
                    AGENTS.stream,
                    LEASES.stream,
                    DECISIONS,
                ),
                publish=(
                    EVERY_COMMAND,
                    EVERY_ENGINE,
                    EVERY_PRESENCE,
                    EVERY_DECISION,
                    *AGENTS.subjects,
                    *LEASES.subjects,
                ),
                subscribe=(EVERY_PRESENCE, EVERY_ENGINE, EVERY_LINES),
                responds=True,
            ),
            "sla": _user(
                "sla",
                reads=(*logs, OPEN.stream, CONFIG.stream, LEASES.stream, TIMERS.stream),
                publish=(
                    EVERY_COMMAND,
                    EVERY_LINES,
                    *LEASES.subjects,
                    *TIMERS.subjects,
                    settles(TIMERS.stream, TIMERS_CLAIMS),
                ),
            ),
            "config": _user(
                "config",
                reads=(CONFIG.stream,),
                publish=(*CONFIG.subjects, EVERY_CONFIG_HINT),
            ),
            "setup": Permissions(
                (
                    jetstream("INFO"),
                    *(jetstream(f"STREAM.INFO.{stream}") for stream in streams),
                    *(jetstream(f"STREAM.CREATE.{stream}") for stream in streams),
                ),
                (f"{inbox('setup')}.>",),
            ),
        }
    )


def operator(epoch: int = STORY_EPOCH) -> Permissions:
    """Give what a person needs to end an epoch: a user of this kind is let in only meanwhile."""
    streams = (*near(epoch), LEASES.stream)
    verbs = ("STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE")
    changes = (jetstream(f"{verb}.{stream}") for verb in verbs for stream in near(epoch))
    return Permissions((*_reads(*streams), *changes, *LEASES.subjects), (f"{inbox('operator')}.>",))


def nats_users(epoch: int = STORY_EPOCH) -> list[dict[str, object]]:
    """Give the `users` of a NATS server's configuration, without what they prove themselves by."""
    return [
        {
            "user": name,
            "permissions": {
                "publish": {"allow": list(may.publish)},
                "subscribe": {"allow": list(may.subscribe)},
                **({"allow_responses": True} if may.responds else {}),
            },
        }
        for name, may in permissions(epoch).items()
    ]
