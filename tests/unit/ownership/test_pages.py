"""The pages of a context are asked for by tokens this service gave out, and by no others."""

import base64

import pytest

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import CustomerId, derive, whole
from toldonce.ownership.wire.context import parse_context_request

CASE = whole(CustomerId(derive("customer")), derive("case"))


def asking(words: bytes) -> ownership_pb2.GetContextRequest:
    token = base64.urlsafe_b64encode(words).decode()
    return ownership_pb2.GetContextRequest(case_id=CASE, page_token=token)


def test_agent_asks_for_the_next_page_by_the_token_of_the_last():
    wanted = parse_context_request(asking(b"40 1234"))
    assert (wanted.start, wanted.upto) == (40, 1234)


@pytest.mark.parametrize(
    "words",
    [b"-1 1234", b"1 -1", b"1", b"1 2 3", b" 1 2", b"1_0 2", b"\xff 2", b"", b"9" * 30 + b" 1"],
)
def test_agent_cannot_ask_for_a_page_by_a_token_of_their_own(words):
    request = asking(words)
    request.page_token = request.page_token or "!"
    with pytest.raises(Invalid):
        parse_context_request(request)
