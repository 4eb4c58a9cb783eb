"""What a stream must be like: made so when it is not there, checked when it is.

A stream that differs in one setting is refused with a sentence that names it: the guarantees of the
log rest on these settings, so nobody "repairs" them silently, and nothing is ever deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from toldonce.kernel.errors import Unavailable
from toldonce.runtime.nats_link import ApiError, Link

MESSAGE_BYTES_MAX = 96 * 1024
DUPLICATE_WINDOW_S = 120
NO_SUCH_STREAM = 10059
_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Wants:
    """The settings one of our streams must have; all sizes in bytes.

    It begins at sequence `first`; with a `last` it is sealed and ends there. What is older than
    `age_max_s` (0: any age) goes, and what is oldest where it is full and discards "old". One of
    `alarms` takes messages for later, many as one, and keeps each that came out until its consumer
    is done with it; the server then insists on "old", on rollups, and on purges.
    """

    name: str
    subjects: tuple[str, ...]
    replicas: int = 1
    bytes_max: int = -1
    per_subject_max: int = -1
    message_ttl: bool = False
    first: int = 1
    last: int | None = None
    age_max_s: int = 0
    discard: str = "new"
    alarms: bool = False

    def config(self) -> dict[str, Any]:
        """Return the settings in JetStream's words, every one that matters."""
        return {
            "name": self.name,
            "subjects": list(self.subjects),
            "retention": "workqueue" if self.alarms else "limits",
            "storage": "file",
            "num_replicas": self.replicas,
            "discard": "old" if self.alarms else self.discard,
            "discard_new_per_subject": False,
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": self.bytes_max,
            "max_age": self.age_max_s * _NANO,
            "max_msgs_per_subject": self.per_subject_max,
            "max_msg_size": MESSAGE_BYTES_MAX,
            "duplicate_window": DUPLICATE_WINDOW_S * _NANO,
            "compression": "none",
            "no_ack": False,
            "sealed": self.last is not None,
            "first_seq": self.first if self.first > 1 else 0,
            "deny_delete": True,
            "deny_purge": not self.alarms,
            "allow_rollup_hdrs": self.alarms,
            "allow_direct": False,
            "mirror_direct": False,
            "allow_msg_ttl": self.message_ttl,
            "allow_msg_counter": False,
            "allow_atomic": self.alarms,
            "allow_batched": False,
            "allow_msg_schedules": self.alarms,
        }


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the leader says of a stream; sequences are 0 when it is empty."""

    config: Mapping[str, Any]
    created_at: datetime
    server_now: datetime
    first: int
    last: int
    messages: int
    deleted: int
    leader: str
    peers: tuple[str, ...] = field(default=())


async def ensure(link: Link, wants: Wants) -> StreamInfo:
    """Make the stream, or check the one that is there; raise Unavailable with a sentence."""
    try:
        try:
            info = await look(link, wants.name)
        except ApiError as error:
            if error.code != NO_SUCH_STREAM:
                raise
            await link.api(f"STREAM.CREATE.{wants.name}", wants.config(), timeout_s=5.0)
            info = await look(link, wants.name)
    except ApiError as error:
        raise Unavailable(f"The stream {wants.name} cannot be used: {error}.") from error
    check(wants, info)
    return info


async def look(link: Link, name: str) -> StreamInfo:
    """Ask for the state of a stream; raises ApiError or Unavailable."""
    return parse_info(await link.api(f"STREAM.INFO.{name}"))


def check(wants: Wants, info: StreamInfo) -> None:
    """Raise Unavailable with a sentence when a setting differs from what must be."""
    wrong = differences(wants, info.config)
    if wrong:
        raise Unavailable(
            f"The stream {wants.name} is not as it must be: {'; '.join(wrong)}. Set this right "
            "(nats stream edit), or start with a new epoch."
        )


def differences(wants: Wants, config: Mapping[str, Any]) -> list[str]:
    """Return one phrase for each setting that differs; an absent setting counts as its zero."""
    found = []
    for key, wanted in wants.config().items():
        zero = False if isinstance(wanted, bool) else 0
        actual = config.get(key, zero)
        if actual != wanted:
            found.append(f"{key} is {actual!r}, must be {wanted!r}")
    foreign = ("mirror", "sources", "republish", "subject_transform")
    found.extend(f"{key} is set, must not be" for key in foreign if config.get(key))
    if config.get("persist_mode", "default") not in {"", "default"}:
        found.append(f"persist_mode is {config['persist_mode']!r}, must be 'default'")
    return found


def parse_info(answer: Mapping[str, Any]) -> StreamInfo:
    """Read JetStream's stream information."""
    state = answer["state"]
    cluster = answer.get("cluster") or {}
    leader = str(cluster.get("leader", ""))
    replicas = [str(replica.get("name", "")) for replica in cluster.get("replicas") or []]
    return StreamInfo(
        config=answer["config"],
        created_at=moment(answer["created"]),
        server_now=moment(answer["ts"]),
        first=int(state["first_seq"]),
        last=int(state["last_seq"]),
        messages=int(state["messages"]),
        deleted=int(state.get("num_deleted", 0)),
        leader=leader,
        peers=tuple(name for name in (leader, *replicas) if name),
    )


def moment(text: str) -> datetime:
    """Read a server's time, cut to microseconds."""
    return datetime.fromisoformat(text)
