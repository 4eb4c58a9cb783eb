"""A list of cases shows those that are open, unless it is asked for others."""

from tests.tellers import customer
from tests.unit.ownership.tale import Tale
from toldonce.api.ownership.v1.ownership_pb2 import ListCasesRequest
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.ids import whole
from toldonce.ownership.wire.views import listed


def test_list_shows_a_closed_case_in_its_paperwork_only_to_who_asks_for_closed_ones() -> None:
    tale = Tale()
    tale.close(tale.owned(1, queue="returns", topic="return").own)
    still_open = tale.waiting(2, topic="order").own
    rows = [(customer(), case, 1) for case in tale.story.cases]
    assert len(rows) == 2
    (shown,) = listed(rows, ListCasesRequest()).cases
    assert shown.case_id == whole(customer(), still_open)
    closed = ListCasesRequest(state=types_pb2.CASE_STATE_CLOSED)
    (shown,) = listed(rows, closed).cases
    assert shown.disposition == "resolved"
