"""The part of a tenant's configuration that decides what may happen to a story."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from toldonce.kernel.calendar import ALWAYS, Calendar
from toldonce.kernel.config import Config

ISSUED_BEFORE_S = 2.0
ISSUED_AFTER_S = 0.5  # two clocks, each at most 250 ms from the log's


@dataclass(frozen=True, slots=True)
class QueueRules:
    """`wrap_up_s`: seconds of paperwork after a close, 0 for none; `escalation`: where next.

    `bad_experience_points` are added to the priority after the second bad experience. Callbacks by
    appointment are taken within `hours`.
    """

    dispositions: frozenset[str]
    wrap_up_s: int
    escalation: str
    bad_experience_points: int = 0
    hours: Calendar = ALWAYS


@dataclass(frozen=True, slots=True)
class Rules:
    """What `decide` needs to know of the tenant; times in seconds.

    Clocks are read by `config`; without it nothing is aimed at.
    """

    version: str
    queues: Mapping[str, QueueRules] = field(default_factory=dict)
    agents: frozenset[str] = frozenset()
    handoff_timeout_s: int = 120
    handoff_timeout_max_s: int = 86_400
    wrap_up_max_s: int = 3_600
    envelope_required: tuple[str, ...] = ()
    hops_max: int = 5
    warm_max_s: int = 1_800
    consult_max_s: int = 3_600
    reopen_window_s: int = 7 * 86_400
    config: Config | None = None
