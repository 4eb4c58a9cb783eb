"""Is there any story in which something waits without an end, or that cannot be put back?"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.property.test_story import NAMES, Teller, _step
from tests.tellers import RULES, TENANT, agent, contact, offer
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.bounds import Waiting, bounds, stuck
from toldonce.kernel.story.events import EntryKind
from toldonce.kernel.story.types import Case, CaseState, Story, TargetKind
from toldonce.ownership.core import Asked, Command, decide
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    BeginWrapUp,
    CloseCase,
    JoinConsult,
    LapseOwnership,
    MakeCommitment,
)
from toldonce.ownership.core.reconciling import operation_of, remedy

RECONCILER = Principal(TENANT, Role.SERVICE, "reconciler")
OF_KEEPERS = {Waiting.QUEUE, Waiting.ANSWER, Waiting.MOVE, Waiting.FORGET}
LONGEST = timedelta(days=400)
ROUNDS_MAX = 200


def things(story: Story) -> Counter[tuple[Waiting, str, str]]:
    """Name everything that waits, by another way than the bounds do."""
    found: list[tuple[Waiting, str, str]] = []
    for case in story.cases:
        if case.state is CaseState.CLOSED:
            found.append((Waiting.WRAP_UP, case.own, case.own))
        else:
            found.append((Waiting.OWNER if case.owner else Waiting.QUEUE, case.own, case.own))
        found += [(Waiting.OFFER, offer.own, case.own) for offer in case.offers]
        found += [(Waiting.ADVISER, adviser.agent, case.own) for adviser in case.advisers]
        if case.handoff is not None:
            found.append((Waiting.HANDOFF, case.handoff.own, case.own))
        if case.lapse is not None:
            found.append((Waiting.LAPSE, case.own, case.own))
    found += [(Waiting.COMMITMENT, one.own, one.case) for one in story.commitments]
    found += [(Waiting.ANSWER, one.entry, "") for one in story.unconfirmed]
    found += [(Waiting.MOVE, story.moved_to, "")] * bool(story.moved_to)
    found += [(Waiting.FORGET, "", "")] * story.forgotten
    return Counter(found)


def bounded(story: Story) -> None:
    found = bounds(story)
    assert Counter((bound.kind, bound.own, bound.case) for bound in found) == things(story)
    assert len({operation_of(bound) for bound in found}) == len(found)
    if not story.terminal:
        assert found


def put_back(teller: Teller) -> None:
    """End whatever is stuck, far in the future, until only what needs its keeper is left."""
    for number in range(ROUNDS_MAX):
        now = teller.now + (number + 1) * LONGEST
        late = [bound for bound in stuck(teller.story, now) if bound.kind not in OF_KEEPERS]
        if not late:
            return
        bound = late[0]
        command = remedy(bound, teller.story)
        assert command is not None
        by = Asked(operation_of(bound), RECONCILER)
        events = decide(teller.story, command, by, now, RULES)
        assert events, bound
        at = teller.now
        teller.now = now
        teller.append(by, events)
        teller.now = at
        assert bound not in bounds(teller.story)
    raise AssertionError("it has no end")


def _forward(teller: Teller, draw: st.DataObject) -> None:
    """Do what sensible people would do next with one of the cases."""
    if not teller.story.cases:
        teller.do(contact(1000 + len(teller.records)), RECONCILER)
        return
    case = draw.draw(st.sampled_from(teller.story.cases))
    digest = case.handoff.context_hash if case.handoff else b""
    if case.offers and draw.draw(st.integers(0, 3)):
        accept = AcceptOffer(case.offers[0].own, case.epoch, digest)
        teller.do(accept, agent(case.offers[0].agent))
        return
    if not case.owner or case.handoff or case.lapse:
        to = draw.draw(st.sampled_from([name for name in NAMES if name != case.owner]))
        number = len(teller.records)
        made = offer(case.own, to, now=teller.now, number=number, epoch=case.epoch)
        teller.do(made, RECONCILER)
        return
    command = draw.draw(st.sampled_from(_of_owner(case, teller.now)))
    teller.do(command, agent(case.owner) if isinstance(command, CloseCase) else RECONCILER)


def _of_owner(case: Case, now: datetime) -> list[Command]:
    """Give what makes an owned case wait for something, or end."""
    other = next(name for name in NAMES if name != case.owner)
    seen, to = case.last_customer_entry, TargetKind.AGENT
    return [
        JoinConsult(case.own, other),
        LapseOwnership(case.own, case.epoch, "AGENT_GONE", other, 60),
        MakeCommitment(case.own, case.epoch, now + timedelta(seconds=300)),
        BeginHandoff(
            case.own,
            case.epoch,
            seen,
            to,
            other,
            0,
            warm=True,
            context_sequence=3,
            context_hash=b"h" * 32,
        ),
        AppendEntry(case.own, case.epoch, EntryKind.MESSAGE_OUT),
        BeginWrapUp(case.own, case.epoch),
        BeginHandoff(
            case.own,
            case.epoch,
            seen,
            TargetKind.QUEUE,
            "returns",
            0,
            context_sequence=3,
            context_hash=b"h" * 32,
        ),
        CloseCase(case.own, case.epoch, "resolved", seen),
    ]


@given(st.data())
@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])
def test_everything_that_waits_in_any_story_has_one_bound_and_can_be_put_back(
    draw: st.DataObject,
) -> None:
    teller = Teller()
    for _ in range(draw.draw(st.integers(5, 60))):
        draw.draw(st.sampled_from([_forward, _forward, _forward, _step]))(teller, draw)
        bounded(teller.story)
    teller.story = replace(teller.story, moved_to="")
    put_back(teller)
