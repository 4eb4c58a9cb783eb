"""Every name on the wires: subjects, table keys, queues, Redis keys.

Nothing else in the house writes a subject or a key as text. Each token is checked here once more,
because a `*` or `>` that slips into an id would read other people's stories.
Adding a name: a function here, and who may use it in `runtime.permissions`.
"""

from dataclasses import dataclass
from functools import lru_cache

from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import (
    CustomerId,
    Tenant,
    parse_name,
    parse_own,
    parse_tenant,
    partition,
)

STORY_EPOCH = 1
STORIES_NAMED_MAX = 4_096  # who writes to a story names it twice
COMMANDS_QUEUE = "ownership"
_STORY_TOKENS = 5


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stream that keeps one message a key; the keys are its subjects, made by `*_key` below."""

    stream: str
    prefix: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject of the stream."""
        return (f"{self.prefix}.>",)

    def of_tenant(self, tenant: str) -> str:
        """Prefix of the keys of a tenant (not for LEASES and CONFIG, which end in the tenant)."""
        return f"{self.prefix}.{parse_tenant(tenant)}."


OPEN = Bucket("OPEN", "open")
AGENTS = Bucket("AGENTS", "agents")
CONFIG = Bucket("CONFIG", "config")
LEASES = Bucket("LEASES", "leases")
KEYS = Bucket("KEYS", "keys")
BUCKETS = (OPEN, AGENTS, CONFIG, LEASES, KEYS)
TIMERS = Bucket("TIMERS", "timers")

DECISIONS = "DECISIONS"

OPEN_POSITION_KEY = "open.position"
EPOCHS_KEY = "leases.epochs.all"
SCRUBBER_KEY = "leases.scrubber.all"
COUNTING_KEY = "leases.counting.all"
COUNTS_PREFIX = "leases.counts."
QUARANTINED_PREFIX = "leases.quarantined."
TIMERS_GENERATION_KEY = "timers.generation"
TIMERS_DUE = "timers.due.>"
TIMERS_CLAIMS = "claims"
_DUE_TOKENS = 6


# ---- the log


def stories_stream(epoch: int = STORY_EPOCH) -> str:
    """Name the stream of stories of an epoch."""
    return f"STORIES_{_epoch(epoch)}"


def stories_subjects(epoch: int = STORY_EPOCH) -> tuple[str, ...]:
    """Every subject of that stream."""
    return (f"story.{_epoch(epoch)}.>",)


def near(epoch: int) -> tuple[str, ...]:
    """Name the streams of an epoch, the one before and the one after."""
    return tuple(stories_stream(one) for one in range(max(1, epoch - 1), epoch + 2))


@lru_cache(maxsize=STORIES_NAMED_MAX)
def story(tenant: str, customer: str, epoch: int = STORY_EPOCH) -> str:
    """Name the one subject that holds everything that happened to a customer."""
    parse_tenant(tenant)
    parse_own("customer", customer)
    return f"story.{_epoch(epoch)}.{partition(tenant, customer)}.{tenant}.{customer}"


def story_of(subject: str) -> tuple[Tenant, CustomerId]:
    """Say whose story a subject holds; raises Invalid for any other subject."""
    tokens = subject.split(".")
    if len(tokens) != _STORY_TOKENS or tokens[0] != "story" or not tokens[1].isdecimal():
        raise Invalid("subject", "this is not the subject of a story")
    tenant, customer = parse_tenant(tokens[3]), parse_own("customer", tokens[4])
    if tokens[2] != str(partition(tenant, customer)):
        raise Invalid("subject", "the story is not in its own part of the log")
    return tenant, CustomerId(customer)


def epoch_of(subject: str) -> int:
    """Say which epoch the subject of a story belongs to; raises Invalid for any other subject."""
    tokens = subject.split(".")
    if len(tokens) != _STORY_TOKENS or tokens[0] != "story" or not tokens[1].isdecimal():
        raise Invalid("subject", "this is not the subject of a story")
    return _epoch(int(tokens[1]))


def _epoch(epoch: int) -> int:
    if epoch < 1:
        raise Invalid("epoch", "log epochs count from 1")
    return epoch


# ---- keys of the tables


def open_key(tenant: str, customer: str) -> str:
    """Key of OPEN: the latest head of a story with something not terminal."""
    return f"open.{parse_tenant(tenant)}.{parse_own('customer', customer)}"


def agent_key(tenant: str, agent: str) -> str:
    """Key of AGENTS: an agent's own facts."""
    return f"agents.{parse_tenant(tenant)}.{parse_name('agent', agent)}"


def config_key(tenant: str) -> str:
    """Key of CONFIG: a tenant's document."""
    return f"config.{parse_tenant(tenant)}"


def lease_key(what: str, tenant: str) -> str:
    """Key of LEASES: who leads `what` (`engine`, `timers`, `projector`) for a tenant."""
    return f"leases.{parse_name('lease', what)}.{parse_tenant(tenant)}"


def quarantined_key(tenant: str, customer: str) -> str:
    """Key of LEASES: a story found broken, held until a person has looked at it."""
    return f"{QUARANTINED_PREFIX}{parse_tenant(tenant)}.{parse_own('customer', customer)}"


def counts_key(tenant: str) -> str:
    """Key of LEASES: what was counted of a tenant's channels, and up to where in the log."""
    return f"{COUNTS_PREFIX}{parse_tenant(tenant)}"


def block_key(tenant: str, block: str) -> str:
    """Key of KEYS: a block of 256 wrapped data keys."""
    return f"keys.{parse_tenant(tenant)}.{parse_own('block', block)}"


def block_of(key: str) -> tuple[Tenant, str]:
    """Say whose block of data keys a key of KEYS holds; raises Invalid for any other key."""
    first, _, rest = key.partition(".")
    tenant, _, block = rest.partition(".")
    if first != KEYS.prefix:
        raise Invalid("key", "this is not the key of a block of data keys")
    return parse_tenant(tenant), parse_own("block", block)


def timers_key(tenant: str, customer: str) -> str:
    """Key of TIMERS: what the timers of a story were planned from."""
    return f"timers.plan.{parse_tenant(tenant)}.{parse_own('customer', customer)}"


def alarm_key(tenant: str, customer: str, timer: str, at_us: int) -> str:
    """Key of TIMERS: an alarm that waits for its instant (microseconds since 1970)."""
    return f"timers.at.{_alarm(tenant, customer, timer, at_us)}"


def due_key(tenant: str, customer: str, timer: str, at_us: int) -> str:
    """Key of TIMERS: an alarm whose instant has come, until it is done with."""
    return f"timers.due.{_alarm(tenant, customer, timer, at_us)}"


def due_of(key: str) -> tuple[Tenant, CustomerId, str, int]:
    """Say which timer an alarm is of, and its instant; raises Invalid for any other key."""
    tokens = key.split(".")
    if len(tokens) != _DUE_TOKENS or tokens[:2] != ["timers", "due"] or not tokens[5].isdecimal():
        raise Invalid("key", "this is not the key of an alarm that is due")
    tenant, customer = parse_tenant(tokens[2]), parse_own("customer", tokens[3])
    return tenant, CustomerId(customer), parse_name("timer", tokens[4]), int(tokens[5])


def _alarm(tenant: str, customer: str, timer: str, at_us: int) -> str:
    story = f"{parse_tenant(tenant)}.{parse_own('customer', customer)}"
    return f"{story}.{parse_name('timer', timer)}.{at_us}"


# ---- core NATS


def commands(tenant: str) -> str:
    """Where commands to ownership are asked (queue COMMANDS_QUEUE)."""
    return f"cmd.{parse_tenant(tenant)}"


def engine(tenant: str) -> str:
    """Where the engine of a tenant is asked for work (pick, force, hand over)."""
    return f"engine.{parse_tenant(tenant)}"


def lines(tenant: str) -> str:
    """Where the engine of a tenant is asked how its lines stand, and for nothing else."""
    return f"lines.{parse_tenant(tenant)}"


def hint(tenant: str) -> str:
    """Where ownership says, without content, that something was appended."""
    return f"hint.{parse_tenant(tenant)}"


def config_hint(tenant: str) -> str:
    """Where config says, without content, that a tenant's document changed."""
    return f"confighint.{parse_tenant(tenant)}"


def presence(tenant: str) -> str:
    """Where session holders tell the engine who is there."""
    return f"presence.{parse_tenant(tenant)}"


def jetstream(verb: str) -> str:
    """Where JetStream is asked for something: `STREAM.INFO.OPEN`."""
    return f"$JS.API.{verb}"


def settles(stream: str, consumer: str) -> str:
    """Where the messages that a consumer gave out are said to be done, or to come again."""
    return f"$JS.ACK.{stream}.{consumer}.>"


def elected(stream: str) -> str:
    """Where the NATS servers say that a stream has a new leader."""
    return f"$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.{stream}"


def inbox(service: str) -> str:
    """Prefix of the private reply subjects of a service."""
    return f"_INBOX_{parse_name('service', service)}"


def decisions(tenant: str) -> str:
    """Name where an engine that leads says what it heard and decided."""
    return f"decisions.{parse_tenant(tenant)}"


EVERY_STORY = "story.>"
EVERY_COMMAND = "cmd.*"
EVERY_ENGINE = "engine.*"
EVERY_LINES = "lines.*"
EVERY_HINT = "hint.*"
EVERY_CONFIG_HINT = "confighint.*"
EVERY_PRESENCE = "presence.*"
EVERY_DECISION = "decisions.*"


# ---- Redis


def redis_pointer(view: str, tenant: str) -> str:
    """Key that names the live generation and position of a view."""
    return f"td:{{{parse_tenant(tenant)}}}:{parse_name('view', view)}"


def redis_key(view: str, tenant: str, generation: int, *parts: str) -> str:
    """Key inside one generation of a view; `parts` are ids or names."""
    tail = ":".join(parse_name("part", part) for part in parts)
    return f"{redis_pointer(view, tenant)}:g{generation}" + (f":{tail}" if tail else "")


def redis_timers(part: str) -> str:
    """Key of the timers of all tenants, which one replica claims with one look."""
    return f"td:{{all-tenants}}:timers:{parse_name('part', part)}"
