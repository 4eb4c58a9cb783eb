"""The one table from refusals to statuses: total, and nothing is lost on the way."""

import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from toldonce.kernel import errors
from toldonce.kernel.errors import (
    Conflict,
    Denied,
    Exhausted,
    Invalid,
    Missing,
    Problem,
    Refusal,
    Rejected,
    Unauthenticated,
    Unavailable,
    Unbuilt,
)
from toldonce.runtime.rpc import Broken, code_of, from_status, to_status

REFUSALS = {
    Invalid: (
        Invalid("queues[2].sla", "no such policy", Problem("text", "too long")),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    Rejected: (Rejected("OFFER_EXPIRED", "too late"), grpc.StatusCode.FAILED_PRECONDITION),
    Missing: (Missing("case", "there is no such case"), grpc.StatusCode.NOT_FOUND),
    Conflict: (Conflict("somebody was first", 42), grpc.StatusCode.ABORTED),
    Unavailable: (
        Unavailable("again please", retry_s=0.25, operation_id="op"),
        grpc.StatusCode.UNAVAILABLE,
    ),
    Exhausted: (Exhausted("full"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    Unauthenticated: (Unauthenticated("who is it"), grpc.StatusCode.UNAUTHENTICATED),
    Denied: (Denied("not for you"), grpc.StatusCode.PERMISSION_DENIED),
    Unbuilt: (Unbuilt("not yet"), grpc.StatusCode.UNIMPLEMENTED),
    Broken: (Broken("ours", "id"), grpc.StatusCode.INTERNAL),
}


def test_the_table_knows_every_refusal_of_the_kernel():
    said = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
    }
    assert said <= REFUSALS.keys()


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_a_refusal_comes_back_as_it_went(kind):
    refusal, code = REFUSALS[kind]
    status = Status.FromString(to_status(refusal).SerializeToString())
    assert code_of(status) is code
    back = from_status(status)
    assert type(back) is kind
    assert str(back) == str(refusal)
    assert vars(back) == vars(refusal)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_every_status_names_a_reason_of_our_domain(kind):
    status = to_status(REFUSALS[kind][0])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "toldonce"
    assert info.reason == info.reason.upper() != ""


def test_whatever_else_is_raised_is_a_fault_of_ours_that_tells_nothing():
    for exc in (ValueError("jane@example.org"), Refusal("secret"), KeyError("x"), OSError(2, "x")):
        status = to_status(exc)
        assert code_of(status) is grpc.StatusCode.INTERNAL
        assert "jane" not in str(status)
        assert "secret" not in str(status)
    assert code_of(to_status(TimeoutError())) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_late_answer_is_one_that_may_have_happened():
    assert isinstance(from_status(to_status(TimeoutError())), Unavailable)


def test_every_code_a_stranger_may_send_is_understood():
    for code in range(-1, 20):
        assert isinstance(from_status(Status(code=code, message="x")), Refusal)
    odd = Status(code=3, message="x")
    odd.details.add(type_url="type.googleapis.com/google.rpc.BadRequest", value=b"\xff\xff")
    odd.details.add(type_url="nonsense", value=b"x")
    assert isinstance(from_status(odd), Invalid)


def test_a_long_list_of_problems_fits_a_header():
    many = Invalid("a", "b" * 5000, *(Problem(f"queues[{n}]", "c" * 5000) for n in range(500)))
    status = to_status(many)
    assert status.ByteSize() < 14_000
    back = from_status(status)
    assert isinstance(back, Invalid)
    assert "485 more" in back.problems[-1].sentence
