"""Every metric with its unit and its formula, declared once.

A metric is exported once somebody counts with it: what is not built is absent rather than 0.
"""

from toldonce.runtime.meter import Kind, Metric


def _counter(name: str, unit: str, formula: str, *labels: str) -> Metric:
    return Metric(f"toldonce_{name}", Kind.COUNTER, unit, formula, labels)


def _gauge(name: str, unit: str, formula: str, *labels: str) -> Metric:
    return Metric(f"toldonce_{name}", Kind.GAUGE, unit, formula, labels)


def _seconds(name: str, formula: str, *labels: str) -> Metric:
    return Metric(f"toldonce_{name}", Kind.HISTOGRAM, "seconds", formula, labels)


# The promises (DESIGN section 1).
STUCK_ITEMS = _gauge(
    "stuck_items",
    "items",
    "what waits in a head and is past its bound and grace, by what it is (offer, handoff, queue, "
    "owner, wrap_up, lapse, adviser, commitment, answer, move, forget); promised: 0",
    "kind",
)
RECONCILED = _counter(
    "reconciled_items_total",
    "items",
    "stuck things that this process put back, by what they were",
    "kind",
)
OWNERSHIP_CONFLICTS = _counter(
    "ownership_conflicts_total",
    "cases",
    "cases found in the log whose owner changed without a higher epoch; promised: 0",
)
QUARANTINED = _gauge(
    "quarantined_stories",
    "stories",
    "stories found broken, which nobody reads or writes until a person has looked at them; "
    "promised: 0",
)
ELIGIBLE_IDLE = _counter(
    "eligible_idle_seconds_total",
    "seconds",
    "time in which at least one contact waited while an agent whom the policy admits at that "
    "instant sat free, by tenant; promised: 0",
    "tenant",
)
WAIT_BOUND_BROKEN = _counter(
    "wait_bound_broken_total",
    "cases",
    "cases found to wait, by the age that counts, for longer than the wait_max_s of their policy "
    "while an agent able to have them was there with room, each once, by tenant; promised: 0",
    "tenant",
)
HANDOFF_CONTEXT_COMPLETE = _gauge(
    "handoff_context_complete_ratio",
    "ratio",
    "handoffs accepted with an equal context hash / those plus accepts refused for another hash; "
    "promised: 1",
)
OUTBOX_OVERDUE = _gauge(
    "outbox_overdue",
    "answers",
    "answers accepted from an agent and not confirmed by their gateway in time; promised: 0",
)
REPEATS = _counter(
    "repeats_total", "commands", "commands recognised as a repeat and answered as the first time"
)
DUPLICATES = _counter(
    "duplicates_total", "contacts", "contacts found a second time in one story; promised: 0"
)

# Contacts.
CONTACTS_OFFERED = _counter(
    "contacts_offered_total",
    "contacts",
    "submissions that arrived, repeats and refused ones too, by configured channel",
    "channel",
)
CONTACTS_ACKNOWLEDGED = _counter(
    "contacts_acknowledged_total",
    "contacts",
    "contacts taken in durably, repeats not counted, by channel",
    "channel",
)
CONTACTS_REPEATED = _counter(
    "contacts_repeated_total",
    "contacts",
    "submissions recognised as a repeat and acknowledged as the first time, by channel",
    "channel",
)
LANGUAGE_UNKNOWN = _counter(
    "language_unknown_total",
    "contacts",
    "submissions whose language neither the gateway nor the text told, by channel",
    "channel",
)

TOPICS_TOLD = _counter(
    "topics_told_total",
    "contacts",
    "submissions by who said what they are about: gateway, words (of the configuration), model, "
    "or unspecified: nobody",
    "by",
)

# What became of cases. Each process that follows the log counts all of it: add up no replicas.
CASES_CLOSED = _counter(
    "cases_closed_total",
    "cases",
    "cases closed, by queue and recorded outcome; one that was reopened counts at each end; beyond "
    "a bound of label pairs both are `other`",
    "queue",
    "disposition",
)
CASES_REOPENED = _counter("cases_reopened_total", "cases", "closed cases that were opened again")
CASE_HOPS = Metric(
    "toldonce_case_hops",
    Kind.HISTOGRAM,
    "handoffs",
    "how often a case had changed hands by an accepted handoff when it was closed",
    buckets=(0, 1, 2, 3, 5, 8),
)
RETOLD = _counter(
    "retold_answers_total",
    "cases",
    "cases closed by someone who was asked whether the customer had to tell it again, by the "
    "answer; re-told rate = yes / (yes + no)",
    "answer",
)
RESOLVED_FIRST = _counter(
    "first_owner_answers_total",
    "cases",
    "cases closed by someone who was asked whether the first owner could resolve it, by the "
    "answer; rate = yes / (yes + no)",
    "answer",
)
ONCE_AND_DONE = _counter(
    "once_and_done_total",
    "cases",
    "cases closed by the only owner they ever had, not reopened by then; once-and-done rate = "
    "(this - toldonce_once_and_done_reopened_total) / "
    "(toldonce_cases_closed_total - toldonce_cases_reopened_total)",
)
ONCE_REOPENED = _counter(
    "once_and_done_reopened_total",
    "cases",
    "cases that counted as once and done, and were opened again",
)

# The log.
APPEND_OUTCOMES = _counter(
    "append_outcomes_total",
    "appends",
    "appends by how they ended: committed, refused or unknown",
    "outcome",
)
APPEND_SECONDS = _seconds("append_seconds", "from the first publish of an append to its outcome")
UNREADABLE = _counter(
    "unreadable_messages_total",
    "messages",
    "messages of the log that this process could not read: their story has stopped here",
    "reason",
)
SCRUBBED = _counter(
    "scrubbed_messages_total",
    "messages",
    "messages of the log whose chain, hash and head this process checked against their predecessor",
)
SCRUBBED_UPTO = _gauge(
    "scrubbed_upto_sequence",
    "sequence",
    "log sequence up to which this process has checked the whole log; 0 while another one does",
)

# Keys.
KEK_AGE_SECONDS = _gauge(
    "kek_age_seconds",
    "seconds",
    "since the key-encryption key was drawn by which this process wraps; promised: below 30 days",
)

# Configuration.
HOLIDAYS_END_SECONDS = _gauge(
    "holidays_end_seconds",
    "seconds",
    "since 1970, when the first calendar in force knows of no more holidays (inf: none asks for "
    "any); a document that is applied again reaches further",
)

# Views.
VIEW_REBUILDS = _counter(
    "view_rebuilds_total",
    "rebuilds",
    "views written anew: at a start, after a gap or a wipe",
    "view",
)

# Routing.
DECISION_SECONDS = _seconds("decision_seconds", "how long the first fact of a step had waited")
OFFERS = _counter(
    "offers_total",
    "offers",
    "offers by how they ended: accepted, declined, expired or revoked",
    "outcome",
)
SUCCESS_CASES = _counter(
    "success_cases_total",
    "cases",
    "cases that ended for their first owner where a policy learns success, as the engine that "
    "leads saw it, by policy, by cycle when they were decided (on, off, explored, shadow), and by "
    "outcome: yes, no, and repeated for each yes whose customer came back; resolved ratio = "
    "(yes - repeated) / (yes + no); lift = that of on - that of off",
    "policy",
    "cycle",
    "outcome",
)
SUCCESS_SECONDS = _counter(
    "success_handle_seconds_total",
    "seconds",
    "time from accept to the end of the first owner's part in these cases, by policy and cycle; "
    "mean handle time = this / (yes + no)",
    "policy",
    "cycle",
)
OVERDRAFTS = _counter(
    "overdrafts_total",
    "offers",
    "offers that take more units than the agent has left, because somebody forced them with a "
    "reason code",
    "tenant",
)
QUEUED = _gauge("queued_items", "items", "work items waiting in a queue", "queue")
WAIT_ESTIMATES = _counter(
    "wait_estimates_total",
    "waits",
    "waits that an owner ended, by queue and by where they lay in the band that would have been "
    "said when they began: inside, below, above, or unsaid while none was known; coverage = "
    "inside / (inside + below + above), meant: 0.8; who left before they were served counts "
    "nowhere here",
    "queue",
    "place",
)
WAIT_ESTIMATE_ERROR = _seconds(
    "wait_estimate_error_seconds",
    "how far the wait estimated when it began was from the wait until an owner, without sign, in "
    "opening hours, by queue; mean absolute error = sum / count",
    "queue",
)
KEPT_FOR_ABSENT = _gauge(
    "cases_kept_for_absent_owner",
    "cases",
    "owned cases whose owner is absent for longer than the grace, and whose channel keeps them",
    "tenant",
)
JOURNAL_LOST = _counter(
    "journal_lost_steps_total",
    "steps",
    "steps of a leading engine that its journal lacks, by tenant: they are not explained or "
    "replayed; decisions do not wait for the journal",
    "tenant",
)
SESSIONS = _gauge("agent_sessions", "sessions", "agent sessions open in this process")

# Timers.
TIMERS_ARMED = _counter("timers_armed_total", "timers", "timers planned")
TIMERS_FIRED = _counter("timers_fired_total", "timers", "timers whose command was accepted")
TIMERS_LATE_SECONDS = _seconds("timers_late_seconds", "from a timer's due time to its command")
SLA_BREACHES = _counter(
    "sla_breaches_total", "breaches", "clocks recorded as past due, by clock", "kind"
)
SLA_AT_RISK = _gauge(
    "sla_at_risk",
    "cases",
    "cases whose clock nearest to being due is overdue and has not stopped, or due within 900 s "
    "(soon), by queue, read every 5 s; of too many queues, and of none, `other`. Each replica of "
    "sla counts all that it has read by then: add up no replicas",
    "queue",
    "state",
)
SLA_RUNGS = _counter(
    "sla_rungs_total",
    "rungs",
    "rungs of escalation ladders reached, by clock and whether a supervisor is paged",
    "kind",
    "does",
)
COMMITMENTS = _counter(
    "commitments_total",
    "commitments",
    "what was promised to customers and came to its end: kept in time, or broken",
    "outcome",
)

# The channel gap. One process at a time counts and exports it; the definition of each figure and
# the rules of counting stand in `toldonce.sla.core.gap` and `.served`, versioned.
_FIGURE = (
    "by tenant (at most 64), channel, figure and window (24h: the hour that runs and the 23 "
    "before; 7d: the half day that runs and the 13 before; by the time of events)"
)
_SHARES = (
    "service_level = first answers by a person in time / (first answers with a target + customers "
    "who left unanswered); service_level_less_early = the same without those who left before the "
    "target; wait_service_level, wait_service_level_less_early = the same of waits for an owner; "
    "first_owner = resolved by the first owner / asked; retold = told again / asked; abandoned = "
    "left / (left + closed); unanswered = closed without an answer / closed; breached = with a "
    "clock recorded as past due / ended under an SLA policy; commitments_kept = kept / (kept + "
    "broken); closed_by_bot = closed by a bot / closed"
)
_WAITS = (
    "mean business time: first_response = to the first answer by a person; queue_wait = to an "
    "owner who is a person"
)
_BY_FIGURE = ("tenant", "channel", "figure", "window")
CHANNEL_SHARE = _gauge(
    "channel_share_ratio",
    "ratio",
    f"{_SHARES}; counted for the channel a case began on, {_FIGURE}",
    *_BY_FIGURE,
)
CHANNEL_SHARE_GAP = _gauge(
    "channel_share_gap_ratio",
    "ratio",
    "toldonce_channel_share_ratio of a channel - that of all channels together, " + _FIGURE,
    *_BY_FIGURE,
)
CHANNEL_SHARE_HALF_WIDTH = _gauge(
    "channel_share_half_width_ratio",
    "ratio",
    "a toldonce_channel_share_gap_ratio within this is noise: (1 - w) (z sqrt(v / n + v' / n') + "
    "|d - d'|) of the channel and all others, z for 5 % over all channels of a figure, d' the "
    "difference with one more on either side, " + _FIGURE,
    *_BY_FIGURE,
)
CHANNEL_WAIT = _gauge("channel_wait_seconds", "seconds", f"{_WAITS}, {_FIGURE}", *_BY_FIGURE)
CHANNEL_WAIT_GAP = _gauge(
    "channel_wait_gap_seconds",
    "seconds",
    "toldonce_channel_wait_seconds of a channel - that of all channels together, " + _FIGURE,
    *_BY_FIGURE,
)
CHANNEL_WAIT_HALF_WIDTH = _gauge(
    "channel_wait_half_width_seconds",
    "seconds",
    "a toldonce_channel_wait_gap_seconds within this is noise, as for shares; absent while either "
    "side has fewer than 30 waits, " + _FIGURE,
    *_BY_FIGURE,
)
CHANNEL_COUNTED = _gauge(
    "channel_counted_cases",
    "cases",
    "cases, waits or commitments that a figure of a channel is made of, " + _FIGURE,
    *_BY_FIGURE,
)
CHANNELS_UPTO = _gauge(
    "channels_upto_sequence",
    "sequence",
    "log sequence up to which this process has counted the channels; 0 while another one does",
)

# The process.
RPC_SECONDS = _seconds("rpc_seconds", "from a call's arrival to its end", "method", "code")

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
