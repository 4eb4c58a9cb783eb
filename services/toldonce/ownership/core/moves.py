"""Moving and forgetting a story: `Moved` freezes it, `Absorbed` brings what it held elsewhere."""

from dataclasses import replace

from toldonce.kernel.errors import Rejected
from toldonce.kernel.story.events import Absorbed, Event, Forgotten, Moved
from toldonce.kernel.story.types import ABSORBED_MAX, CASES_MAX, Case, Story, WorkState
from toldonce.ownership.core.commands import Absorb, Forget, MoveOut


def move_out(story: Story, command: MoveOut) -> tuple[Event, ...]:
    """Freeze a story; refused when its cases would not fit beside the `arriving` ones."""
    if story.moved_to == command.to:
        return ()
    if story.moved_to:
        raise Rejected("MOVED", "the story has moved elsewhere already")
    if story.messages and (command.to_empty or command.to > command.source):
        raise Rejected("MOVE_RACE", "the story has grown meanwhile; ask again")
    if len(story.absorbed) + command.stories > ABSORBED_MAX:
        raise Rejected("TOO_MANY_STORIES", f"together they join more than {ABSORBED_MAX} stories")
    if len(story.cases) + command.arriving > CASES_MAX:
        raise Rejected("TOO_MANY_CASES", f"together they have more than {CASES_MAX} open cases")
    return (Moved(command.to),)


def absorb(story: Story, command: Absorb) -> tuple[Event, ...]:
    """Take in what a frozen story held, once: cases with epoch + 1, offers and handoffs ended."""
    if command.source in story.absorbed:
        return ()
    head = command.head
    return (
        Absorbed(
            source=command.source,
            source_sequence=command.source_sequence,
            source_at=command.source_at,
            sources=head.absorbed,
            cases=tuple(_arrived(case) for case in head.cases),
            contacts=head.contacts,
            contact_floor_at=head.contact_floor_at,
            unconfirmed=head.unconfirmed,
            contacts_total=head.contacts_total,
            cases_total=head.cases_total,
            handoffs_total=head.handoffs_total,
            bad_experiences=head.bad_experiences,
            commitments=head.commitments,
        ),
    )


def forget(story: Story, command: Forget) -> tuple[Event, ...]:
    """Say that every key to the words goes; whatever is open ends. Once."""
    if not command.keys or (story.forgotten and story.key is None):
        return ()
    return (Forgotten(command.keys, command.reason or "UNSPECIFIED"),)


def survivor(first: tuple[str, Story], second: tuple[str, Story]) -> str:
    """Say which customer id goes on: an empty story yields, of two with events the smaller id."""
    if not first[1].messages and second[1].messages:
        return second[0]
    if not second[1].messages and first[1].messages:
        return first[0]
    return min(first[0], second[0])


def _arrived(case: Case) -> Case:
    work = WorkState.QUEUED if case.work is WorkState.OFFERED else case.work
    return replace(case, epoch=case.epoch + 1, work=work, offers=(), handoff=None, lapse=None)
