"""What is known of stories while the log is read in order: of a bounded number at a time.

What is known of a story is a function of its history (`core.served`). So nothing of it is kept
anywhere: after a restart, or when it was forgotten for want of room, its history is read again up
to the append before this one. A new story, which most appends of a beginning are, needs no reading.
"""

from collections import OrderedDict

from toldonce.kernel.config import Config
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.events import Absorbed
from toldonce.kernel.story.record import Logged
from toldonce.runtime.history import carried_by, history_of
from toldonce.runtime.log import Log
from toldonce.runtime.open_rows import StoryKey
from toldonce.sla.core.counts import Mark
from toldonce.sla.core.known import NOTHING, Known
from toldonce.sla.core.served import observe

REMEMBERED_MAX = 16_384


class Remembered:
    """The stories read last."""

    def __init__(self, log: Log, *, remembered_max: int = REMEMBERED_MAX) -> None:
        """Read histories from `log`."""
        self._log = log
        self._remembered_max = remembered_max
        self._known: OrderedDict[StoryKey, Known] = OrderedDict()

    def begin(self) -> None:
        """Begin anew, at another place in the log."""
        self._known.clear()

    async def observe(self, logged: Logged, config: Config) -> tuple[Mark, ...]:
        """Take the next append of the log, and give what it tells.

        Raises Rejected QUARANTINED when its history cannot be read, TooNew, Unavailable.
        """
        record = logged.record
        key = (record.tenant, record.customer)
        before = self._known.get(key)
        if before is None or before.sequence != _previous(logged):
            if _previous(logged):
                return await self._read(logged, config)
            before = NOTHING
        absent = [who for who in _sources(logged) if (record.tenant, who) not in self._known]
        if absent:
            return await self._read(logged, config)
        known, marks = observe(
            before, record, logged.sequence, config, lambda who: self._known[record.tenant, who]
        )
        self._remember(key, known)
        return marks

    async def _read(self, logged: Logged, config: Config) -> tuple[Mark, ...]:
        """Read the history of a story with all that came to it, this append being its last."""
        record = logged.record
        history = await history_of(self._log, record.tenant, record.customer, logged.sequence)
        if not history or history[-1].sequence < logged.sequence:
            raise Unavailable("The log does not know a message yet that was read from it.")
        known: dict[str, Known] = {}
        marks: tuple[Mark, ...] = ()
        for one in history:
            who = one.record.customer
            known[who], marks = observe(
                known.get(who, NOTHING),
                one.record,
                one.sequence,
                config,
                lambda source: known.get(source, NOTHING),
            )
        self._remember((record.tenant, record.customer), known[record.customer])
        return marks

    def _remember(self, key: StoryKey, known: Known) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > self._remembered_max:
            self._known.popitem(last=False)


def _previous(logged: Logged) -> int:
    """Say which append of its story came before, in whichever epoch; 0: none."""
    came = carried_by(logged.record)
    return logged.record.previous_sequence if came is None else came.source_sequence


def _sources(logged: Logged) -> list[str]:
    """Name the stories that this append brings here."""
    return [one.source for one in logged.record.events if isinstance(one, Absorbed)]
