"""The log as the checks read it: every message decoded once, story by story, by nobody's cache."""

from dataclasses import dataclass, field

from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Story
from toldonce.runtime import names
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.log import Stored
from toldonce.runtime.testing.log import FakeLog

type Key = tuple[str, str]


@dataclass(slots=True)
class Book:
    """Everything that was appended, in order."""

    log: FakeLog
    all: list[Logged] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    stories: dict[Key, list[Logged]] = field(default_factory=dict)
    open: set[Key] = field(default_factory=set)

    def catch_up(self) -> "Book":
        """Read what has been appended since."""
        for stored in self.log.messages_after(len(self.all)):
            logged = decode_logged(stored.payload, stored.sequence)
            key = names.story_of(stored.subject)
            self.all.append(logged)
            self.stored.append(stored)
            self.stories.setdefault(key, []).append(logged)
            if logged.record.head.terminal:
                self.open.discard(key)
            else:
                self.open.add(key)
        return self

    def heads(self) -> dict[Key, tuple[int, Story]]:
        """The newest head of each story that is not terminal, and where it stands."""
        self.catch_up()
        newest = {key: self.stories[key][-1] for key in sorted(self.open)}
        return {key: (logged.sequence, logged.record.head) for key, logged in newest.items()}
