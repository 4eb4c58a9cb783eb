"""The figures of a demo and the promises they stand for, from the log and from what people saw."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from toldonce.cli.company.chronicle import Chronicle, OfferTold
from toldonce.cli.company.notes import Notes
from toldonce.cli.company.verdict import ChannelTold, Promise, Verdict
from toldonce.cli.company.waiting import Waiting, judge_waiting
from toldonce.client.submission import Ack
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config


def judge(told: Chronicle, notes: Notes, *, seconds: float) -> Verdict:
    """Work out every figure and hold every promise against it; `seconds` the day took."""
    fates = _fates(told, notes)
    repeats = _repeats(told, notes)
    owned_twice = _owned_twice(told, notes)
    handed = {(one.handoff_id, one.agent): one.context_hash for one in notes.owned}
    equal = sum(
        handed.get((one.handoff_id, one.receiver)) == one.context_hash for one in told.handoffs
    )
    book = told.timers
    closed = sum(case.ended not in {"", "ABANDONED"} for case in told.cases.values())
    figures: dict[str, Any] = {
        "contacts_submitted": len(notes.sent),
        "contacts_acknowledged": len({one.submission.message_id for one in notes.acks}),
        "repeats_sent": notes.repeats_sent,
        "duplicates_created": repeats["duplicates"],
        "owned_once": fates["owned_once"],
        "owned_twice": owned_twice,
        "unowned": fates["unowned"],
        "ended_without_owner": fates["ended_without_owner"],
        "handoffs": len(told.handoffs),
        "handoffs_context_equal": equal,
        "declines": told.declines,
        "agents_vanished": len(notes.vanished),
        "escalations": told.escalations,
        "timers_armed": len(book.armed),
        "timers_fired": len(book.fired),
        "timers_lost": len(book.lost),
        "timers_early": len(book.early),
        "breaches": told.breaches,
        "rungs": told.rungs,
        "pauses": told.pauses,
        "promises_made": told.promised,
        "promises_kept": told.kept,
        "promises_broken": told.broken,
        "promises_withdrawn": told.withdrawn,
        "seconds": round(seconds, 2),
        "lifecycles_per_s": round(closed / seconds, 2) if seconds else 0.0,
        "offers": len(told.offers),
        "offers_expired": told.expiries,
        "cases": len(told.cases),
        "appends": told.records,
        "answers": len(told.answers),
        "views_wiped": notes.wipes,
        "heads_unlike_fold": told.heads_differ,
    }
    waiting = judge_waiting(told, notes.came)
    notes.troubles += [f"{case_id[-6:]} was offered {s:.1f} s late" for case_id, s in waiting.late]
    promises = _promises(told, notes, figures, repeats, waiting)
    return Verdict(figures, promises, _channels(told), _troubles(told, notes))


def _promises(
    told: Chronicle,
    notes: Notes,
    figures: dict[str, Any],
    repeats: dict[str, int],
    waiting: Waiting,
) -> tuple[Promise, ...]:
    book = told.timers
    explained = [_explained(offer, told.config) for offer in told.offers]
    late_s = max(book.fired.values(), default=0.0)
    undelivered = sum(
        not confirmed or not notes.delivered.get(entry) for entry, confirmed in told.answers.items()
    ) + len(notes.answers - set(told.answers))
    return (
        Promise(
            "P1",
            "an acknowledged contact reaches one owner or an explicit end",
            figures["contacts_acknowledged"],
            figures["unowned"] + told.heads_differ,
            "contacts, and heads folded again",
        ),
        Promise(
            "P2",
            "at most one owner at any time, epochs only grow",
            told.owner_changes,
            figures["owned_twice"] + told.epochs_back,
            "changes of owner",
        ),
        Promise(
            "P3",
            "nobody waits while an admitted agent is free; older first",
            waiting.looked_at,
            len(waiting.overtaken) + len(waiting.late),
            f"offers ({len(waiting.overtaken)} overtook, {len(waiting.late)} came late)",
        ),
        Promise(
            "P4",
            "a handoff carries the whole story; the sender keeps it until then",
            figures["handoffs"],
            figures["handoffs"] - figures["handoffs_context_equal"] + told.sender_lost,
            "handoffs, hashed by their receivers",
        ),
        Promise(
            "P5",
            "no timer is lost, early or doubled",
            figures["timers_fired"],
            len(book.lost) + len(book.early) + len(book.doubled),
            f"timers that fired of {len(book.armed)} armed, latest by {late_s:.2f} s",
        ),
        Promise(
            "P6",
            "doing it twice does it once",
            figures["repeats_sent"],
            repeats["duplicates"] + repeats["unlike"],
            "submissions sent again, and their answers",
        ),
        Promise(
            "P7",
            "the views can be wiped at any moment",
            notes.wipes,
            notes.wiped_wrong + int(notes.wipes > 0 and not notes.wiped_answers),
            f"wipes under load, {notes.wiped_answers} lists compared after it",
        ),
        Promise(
            "P8",
            "every decision explains itself",
            len(explained),
            sum(not good for good in explained),
            "offers: policy, chosen agent, first failing gate of each other",
        ),
        Promise(
            "P10",
            "an accepted answer reaches its gateway",
            len(told.answers),
            undelivered,
            "answers, delivered and confirmed",
        ),
    )


def _fates(told: Chronicle, notes: Notes) -> dict[str, int]:
    fates = {"owned_once": 0, "unowned": 0, "ended_without_owner": 0}
    for contact_id in {one.ack.contact_id for one in notes.acks}:
        case = told.cases.get(told.case_of.get(contact_id, ""))
        if case is None:
            fates["unowned"] += 1
        elif case.first_owned_at is not None:
            fates["owned_once"] += not case.two_owners
            fates["unowned"] += not (case.owner or case.ended)
        elif case.ended:
            fates["ended_without_owner"] += 1
        else:
            fates["unowned"] += 1
    return fates


def _repeats(told: Chronicle, notes: Notes) -> dict[str, int]:
    acks: dict[str, list[Ack]] = defaultdict(list)
    for one in notes.acks:
        acks[one.submission.message_id].append(one.ack)
    unlike = sum(len({_fixed(ack) for ack in given}) > 1 for given in acks.values())
    firsts = sum(sum(not ack.repeat for ack in given) > 1 for given in acks.values())
    twice = sum(len(events) - 1 for events in told.contacts.values())
    beyond = max(0, len(told.contacts) - len(notes.sent))
    return {"duplicates": twice + beyond, "unlike": unlike + firsts}


def _fixed(ack: Ack) -> tuple[object, ...]:
    return (
        ack.contact_id,
        ack.case_id,
        ack.customer_id,
        ack.joined,
        ack.queue,
        ack.promised_by,
        ack.text,
        ack.received_at,
    )


def _owned_twice(told: Chronicle, notes: Notes) -> int:
    """Count contacts whose case had two owners at once, by the log or by what agents were told."""
    claims: dict[tuple[str, int], set[str]] = defaultdict(set)
    for one in notes.owned:
        claims[(one.case_id, one.epoch)].add(one.agent)
    twice = {case_id for (case_id, _), agents in claims.items() if len(agents) > 1}
    twice |= {case.case_id for case in told.cases.values() if case.two_owners}
    return sum(case_id in twice for case_id in told.case_of.values())


def _explained(offer: OfferTold, config: Config) -> bool:
    trace = offer.trace
    gates = {one.agent: one.gate for one in trace.candidates}
    others = set(config.agents) - {offer.agent}
    return (
        bool(trace.policy_version)
        and trace.policy_version == offer.policy_version == config.policy_version
        and trace.chosen == offer.agent
        and gates.get(offer.agent) == "NONE"
        and all(gates.get(name, "NONE") not in {"NONE", "", "OTHER"} for name in others)
    )


def _channels(told: Chronicle) -> tuple[ChannelTold, ...]:
    contacts: dict[str, int] = defaultdict(int)
    waits: dict[str, list[float]] = defaultdict(list)
    served: dict[str, list[bool]] = defaultdict(list)
    handoffs: dict[str, int] = defaultdict(int)
    for events in told.contacts.values():
        contacts[events[0].channel] += 1
    for case in told.cases.values():
        handoffs[case.channel] += case.handoffs
        policy = told.config.sla_of(case.queue)
        target = policy.targets.get(ClockKind.QUEUE_WAIT) if policy is not None else None
        if case.first_owned_at is None:
            served[case.channel].append(False)
            continue
        wait_s = (case.first_owned_at - case.opened_at).total_seconds()
        waits[case.channel].append(wait_s)
        served[case.channel].append(target is None or wait_s <= target.target_s)
    return tuple(
        ChannelTold(
            channel=name,
            contacts=contacts[name],
            wait_p50_s=round(percentile(waits[name], 0.5), 3),
            wait_p99_s=round(percentile(waits[name], 0.99), 3),
            service_level=round(sum(served[name]) / max(1, len(served[name])), 4),
            handoffs=handoffs[name],
        )
        for name in told.config.channels
        if contacts[name]
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that `share` of them do not exceed (nearest rank); 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def _troubles(told: Chronicle, notes: Notes) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = defaultdict(int)
    refused = (f"refused: {why}" for why in notes.refused)
    for said in (*notes.troubles, *told.timers.said, *refused):
        counts[said[:160]] += 1
    return tuple(sorted(counts.items(), key=lambda pair: -pair[1])[:20])
