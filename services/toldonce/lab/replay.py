"""Goes through a journal again: the same policy decides alike to the last bit, or it is told where.

`proof` is exact. What another policy would have done is `whatif`'s question, and a model's answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from toldonce.routing.core.acts import Decision, MakeOffer
from toldonce.routing.core.record import Step
from toldonce.routing.core.replaying import Replayed, Replayer
from toldonce.routing.wire.journal import Readable
from toldonce.runtime.assignment import assign

DIFFERENCES_MAX = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A step that went otherwise: what was decided then, and what now, in words."""

    at_us: int
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(slots=True)
class Proof:
    """What became of going through a journal.

    `snapshots` are where it began or was compared; `differing` of them did not show what was
    gone through until then. `skipped` steps lie behind one of `gaps`, before the next snapshot.
    `unreadable` messages another version wrote, or they are damaged.
    `differences` are the first DIFFERENCES_MAX of `otherwise` steps.
    """

    steps: int = 0
    decisions: int = 0
    otherwise: int = 0
    snapshots: int = 0
    differing: int = 0
    gaps: int = 0
    skipped: int = 0
    unreadable: int = 0
    first_us: int = 0
    last_us: int = 0
    policies: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Tell whether everything that could be gone through went alike."""
        return not self.otherwise and not self.differing


def proof(messages: Iterable[bytes]) -> Proof:
    """Go through a journal with the policies it was made with; raises Invalid."""
    found, replayer, readable = Proof(), Replayer(assign), Readable(messages)
    for piece in readable:
        for replayed in replayer.take(piece):
            _note(found, replayed)
            version = "" if replayer.engine is None else replayer.engine.policy_version
            if version not in found.policies[-1:]:
                found.policies.append(version)
    tally = replayer.tally
    found.steps, found.decisions = tally.steps, tally.decisions
    found.snapshots, found.differing = tally.snapshots, tally.differing
    found.gaps, found.skipped = tally.gaps, tally.skipped
    found.unreadable = readable.unreadable
    return found


def _note(found: Proof, replayed: Replayed) -> None:
    step = replayed.step
    found.first_us = found.first_us or step.now_us
    found.last_us = step.now_us
    if replayed.same:
        return
    found.otherwise += 1
    if len(found.differences) < DIFFERENCES_MAX:
        found.differences.append(_difference(step, replayed.decided))


def _difference(step: Step, decided: tuple[Decision, ...]) -> Difference:
    then = [one for one in step.decisions if one not in decided]
    now = [one for one in decided if one not in step.decisions]
    return Difference(step.now_us, tuple(map(_words, then)), tuple(map(_words, now)))


def _words(decision: Decision) -> str:
    what = f"{type(decision).__name__} {decision.customer}{decision.case}"
    if isinstance(decision, MakeOffer):
        return f"{what} to {decision.agent}: {decision.trace.reason}"
    return what
