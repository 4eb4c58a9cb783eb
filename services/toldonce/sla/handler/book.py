"""The stories this replica follows: what is still to be planned, and what a claimed timer asks.

It holds the head of every story as the feed gave it. A story that changed is planned soon, but for
one in which another replica has told a timer: that one plans it too, so here it is only looked at
after a while whether that was done. Where only the policy changed a story waits its turn.
"""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol

from toldonce.kernel.config import Config
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY, Story
from toldonce.runtime.open_rows import OpenStory, StoryKey
from toldonce.sla.core import ACTOR, Act, Planning, acts_of
from toldonce.sla.handler.timers import Leased, Plan

TOGETHER = 256
TOLD_MAX = 4_096


class Verdict(Enum):
    """What to do with a claimed timer that asks nothing now."""

    GONE = "nothing wants it any more"
    BEHIND = "it was planned from what this replica has not read yet"


class Stands(Enum):
    """Whether the plan of a story that is taken to be planned may stand in the store."""

    NOT = "it changed"
    MAYBE = "it did before"
    BY_OTHERS = "another replica was to plan it just now"


class Follower(Protocol):
    """Somebody else who follows the same stories."""

    def stirred(self, keys: Iterable[StoryKey], *, policy: bool = False) -> None:
        """Know that these are not what they were, or that only their `policy` is another.

        The first time these are all there are, if any. Must be quick, and raise nothing.
        """
        ...


class Held(NamedTuple):
    """A story after log position `sequence`."""

    sequence: int
    head: Story

    @property
    def timed(self) -> bool:
        """Tell whether it may have timers."""
        return bool(self.head.cases or self.head.commitments)


class _Done(NamedTuple):
    """What a story's plan was made from."""

    sequence: int
    revision: int


class Book:
    """What one replica knows. `stopped` are stories it cannot read (the feed's)."""

    def __init__(
        self, stopped: Mapping[StoryKey, int], *, rng: random.Random | None = None
    ) -> None:
        """Know nothing until the first snapshot.

        Where all are planned, those come first whose plans were made here, and `rng` says in which
        order, some together: so a replica seldom does what another one does just now.
        """
        self.position = 0
        self._rng = rng
        self._stopped = stopped
        self._known: dict[StoryKey, Held] = {}
        self._planned: dict[StoryKey, _Done] = {}
        self._plannings: dict[str, Planning] = {}
        self._told: dict[StoryKey, None] = {}
        self._soon: dict[StoryKey, None] = {}
        self._theirs: dict[StoryKey, None] = {}
        self._older: dict[StoryKey, None] = {}
        self._ripe: dict[StoryKey, None] = {}
        self._again: dict[StoryKey, None] = {}
        self._later: dict[StoryKey, None] = {}
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Tell `follower` of what comes; to be called before the first snapshot."""
        self._followers.append(follower)

    def held(self, key: StoryKey) -> Held | None:
        """Give a story as it is held; None: nothing of it is open."""
        return self._known.get(key)

    @property
    def stories(self) -> int:
        """How many stories have open cases."""
        return len(self._known)

    @property
    def soon(self) -> int:
        """How many stories wait to be planned because they changed, or may have lost their plan."""
        return len(self._soon) + len(self._ripe) + len(self._again)

    @property
    def theirs(self) -> int:
        """How many were left to other replicas, and are to be looked at."""
        return len(self._theirs) + len(self._older)

    @property
    def again(self) -> int:
        """How many of them may have lost it."""
        return len(self._again)

    @property
    def later(self) -> int:
        """How many wait to be planned because their policy changed."""
        return len(self._later)

    def begin(self, stories: Sequence[OpenStory], position: int) -> None:
        """Know exactly these stories; what is not among them has ended."""
        ended = dict.fromkeys(self._known, Held(position, EMPTY))
        open_ = {(s.tenant, s.customer): Held(s.sequence, s.head) for s in stories}
        self._known = ended | open_
        self._plannings.clear()
        self.position = position
        self.anew()
        for follower in self._followers:
            follower.stirred(self._known)

    def learn(self, batch: Iterable[Logged]) -> None:
        """Take what was appended."""
        stirred: dict[StoryKey, None] = {}
        for logged in batch:
            record = logged.record
            key = (record.tenant, record.customer)
            known = self._known.get(key)
            heard = Held(logged.sequence, record.head)
            if known is not None or heard.timed:
                told = record.actor == ACTOR
                if known is None or told or _timing(known.head) != _timing(heard.head):
                    stirred[key] = None
                    self._changed(key, theirs=told and key not in self._told)
                self._known[key] = heard
            self.reached(logged.sequence)
        if stirred:
            for follower in self._followers:
                follower.stirred(stirred)

    def _changed(self, key: StoryKey, *, theirs: bool) -> None:
        """Have a story planned, by whoever told a timer of it if that was another replica."""
        self._again.pop(key, None)
        if theirs and key not in self._soon:
            self._theirs[key] = None
        else:
            self._soon[key] = None
            for line in (self._theirs, self._older, self._ripe):
                line.pop(key, None)

    def ripen(self) -> None:
        """Have looked at what had been left to others when this was called before."""
        self._ripe |= self._older
        self._older, self._theirs = self._theirs, {}

    def reached(self, position: int) -> None:
        """Know that everything up to log sequence `position` was read."""
        self.position = max(self.position, position)

    def anew(self) -> None:
        """Plan everything of which the store does not say that it stands."""
        self._planned.clear()
        self._later.clear()
        for line in (self._soon, self._theirs, self._older, self._ripe):
            line.clear()
        parts = list(itertools.batched(self._known, TOGETHER))
        if self._rng is not None:
            self._rng.shuffle(parts)
        keys = sorted(itertools.chain.from_iterable(parts), key=self._remembers, reverse=True)
        self._again = dict.fromkeys(keys)

    def _remembers(self, key: StoryKey) -> bool:
        """Tell whether the plan of a story was made here: then to make it again costs least."""
        planning = self._plannings.get(key[0])
        return planning is not None and planning.remembers(key[1])

    def policy_changed(self, tenant: str) -> None:
        """Plan a tenant's stories again when there is time."""
        changed = dict.fromkeys(key for key in self._known if key[0] == tenant)
        self._later |= changed
        for follower in self._followers:
            follower.stirred(changed, policy=True)

    def take(self, stories_max: int) -> tuple[list[StoryKey], Stands]:
        """Take stories to plan, and say whether their plans may stand already.

        Those that changed come first, then those left to others, then all that may have lost their
        plan, then those of another policy.
        """
        line = self._soon or self._ripe or self._again or self._later
        keys = list(itertools.islice(line, stories_max))
        for key in keys:
            del line[key]
        if line is self._ripe:
            return keys, Stands.BY_OTHERS
        return keys, Stands.MAYBE if line is self._again else Stands.NOT

    def put_back(self, keys: Iterable[StoryKey]) -> None:
        """Have stories planned after all, later."""
        self._later |= dict.fromkeys(keys)

    def stood(self, key: StoryKey, place: tuple[int, int] | None, config: Config) -> bool:
        """Tell whether what the store has planned, from this sequence and revision, may stay."""
        known = self._known.get(key)
        if known is None or place is None:
            return False
        done = _Done(known.sequence, config.revision)
        if place < done:
            return False
        self._keep(key, known, done)
        return True

    def plan(self, key: StoryKey, config: Config) -> Plan | None:
        """Make the plan of a story; None when it stands already."""
        known = self._known.get(key)
        if known is None:
            return None
        done = _Done(known.sequence, config.revision)
        if self._planned.get(key) == done:
            return None
        wanted = self._planning(key[0], config).timers(key[1], known.head)
        return Plan(*key, known.sequence, config.revision, wanted)

    def _planning(self, tenant: str, config: Config) -> Planning:
        known = self._plannings.get(tenant)
        if known is None or known.config is not config:
            known = self._plannings[tenant] = Planning(config)
        return known

    def stands(self, plan: Plan) -> None:
        """Know that a plan stands."""
        key = (plan.tenant, plan.customer)
        known = self._known.get(key)
        if known is None or key in self._soon or key in self._again:
            return
        if known.timed or not plan.timers:
            self._keep(key, known, _Done(plan.sequence, plan.revision))

    def _keep(self, key: StoryKey, known: Held, done: _Done) -> None:
        """Remember what the plan that stands was made from, or forget a story that has ended."""
        if known.timed:
            self._planned[key] = done
        else:
            del self._known[key]
            self._planned.pop(key, None)
            if key[0] in self._plannings:
                self._plannings[key[0]].forget(key[1])

    def acts(self, leased: Leased, config: Config, now: datetime) -> tuple[Act, ...] | Verdict:
        """Say what a claimed timer asks, if this replica has read far enough to know.

        Its story is then planned here as soon as it has been told.
        """
        key = (leased.tenant, leased.customer)
        self._told.pop(key, None)
        self._told[key] = None
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        known = self._known.get(key)
        read_to = self.position if known is None else known.sequence
        if read_to < leased.sequence or key in self._stopped:
            return Verdict.BEHIND
        if known is None:
            return Verdict.GONE
        asked = self._planning(key[0], config).narrowed(key[1], known.head, leased.own)
        return acts_of(asked, config, leased.own, now) or Verdict.GONE


def _timing(head: Story) -> tuple[object, object]:
    return head.cases, head.commitments
