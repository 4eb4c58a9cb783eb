"""What an agent knows of cases: which are theirs, and how far the story of each was read."""

from dataclasses import dataclass

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client.channel import Client
from toldonce.client.context import ContextRead, read_context
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, case_seen
from toldonce.kernel.context import Item
from toldonce.kernel.errors import Conflict, Missing
from toldonce.kernel.ids import own_of

LOOKS_MAX = 4
READ_MAX = 1_024


@dataclass(frozen=True, slots=True)
class _Read:
    """How far a story was read, and which entries of the customer stood in it."""

    upto: int = 0
    entries: frozenset[str] = frozenset()


class Reading:
    """The cases of one agent. `cases` holds what was last seen of each that they own."""

    def __init__(self, client: Client) -> None:
        """Act over `client`, whose token says who acts."""
        self._client = client
        self.cases: dict[str, CaseSeen] = {}
        self._reads: dict[str, _Read] = {}

    async def peek(self, case_id: str) -> ContextRead:
        """Read the whole story of any case: one on offer, one to advise on, one of ours."""
        return self._remember(case_id, await self._look(case_id))

    async def read(self, case_id: str) -> ContextRead:
        """Read the whole story of a case of ours, and so see the customer's last entry."""
        return await self.peek(case_id)

    async def unread(self, case_id: str) -> tuple[Item, ...]:
        """Read what was added to the story of a case since it was last read here.

        All of it anew when another story was joined to it: that one's past was not read yet.
        """
        after = self._reads.get(own_of(case_id), _Read()).upto
        read = self._remember(case_id, await self._look(case_id, after=after))
        if after and any(item.type == "absorbed" for item in read.items):
            read = await self.peek(case_id)
        return read.items

    async def of_customer(self, customer_id: str) -> list[CaseSeen]:
        """List the open cases of a customer (at most 8, or so many as were joined)."""
        request = ownership_pb2.ListCasesRequest(customer_id=customer_id)
        listed = await again(lambda: self._client.ownership.ListCases(request))
        return [case for case in map(case_seen, listed.cases) if not case.closed]

    def _own(self, case: CaseSeen) -> CaseSeen:
        """Count a case as ours from now on."""
        known = self._known(case.case_id)
        if known is not None and case.sequence < known.sequence:
            return known
        self._drop(case.case_id)
        self.cases[case.case_id] = case
        return case

    def _keep(self, case: CaseSeen) -> CaseSeen:
        """Take in how a case stands now; one that is not ours any more is dropped."""
        known = self._known(case.case_id) if case.case_id else None
        if known is not None and case.sequence >= known.sequence:
            if case.owner == known.owner and not case.closed:
                return self._own(case)
            self._drop(case.case_id)
        return case

    def _drop(self, case_id: str) -> None:
        known = self._known(case_id)
        if known is not None:
            del self.cases[known.case_id]

    def _known(self, case_id: str) -> CaseSeen | None:
        """Find a case of ours; its own part stays when its customer was linked to another."""
        own = own_of(case_id)
        same = (case for case in self.cases.values() if own_of(case.case_id) == own)
        return self.cases.get(case_id) or next(same, None)

    def _case(self, case_id: str) -> CaseSeen:
        known = self._known(case_id)
        if known is None:
            raise Missing("case", "this session owns no case of this id")
        return known

    async def _look(self, case_id: str, *, after: int = 0, upto: int = 0) -> ContextRead:
        for left in range(LOOKS_MAX - 1, -1, -1):
            try:
                return await read_context(self._client, case_id, after=after, upto=upto)
            except Conflict:  # the story was joined with another while we read
                if not left:
                    raise
        raise AssertionError

    def _remember(self, case_id: str, read: ContextRead) -> ContextRead:
        """Remember how far the story of a case was read."""
        before = self._reads.pop(own_of(case_id), _Read())
        told = (dict(item.attributes).get("entry", "") for item in read.items)
        while len(self._reads) >= READ_MAX:
            del self._reads[next(iter(self._reads))]
        upto = max(before.upto, read.upto)
        self._reads[own_of(case_id)] = _Read(upto, before.entries | set(told))
        self._keep(read.case)
        return read

    async def _seen(self, case: CaseSeen) -> CaseSeen:
        """See to it that the customer's last entry was read here."""
        read = self._reads.get(own_of(case.case_id), _Read())
        if read.upto < case.sequence and own_of(case.seen_entry) not in read.entries:
            await self.unread(case.case_id)
        return self._case(case.case_id)
