"""What the customer was promised."""

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.events import EntryWords
from toldonce.ownership.core.commands import KeepCommitment, MakeCommitment
from toldonce.ownership.wire.parse.words import Parsed, Parsers, case_of, instant_of, text_of

TEXT_BYTES_MAX = 4 * 1024


def _make(body: ownership_pb2.MakeCommitmentRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    text = text_of("text", body.text, TEXT_BYTES_MAX)
    if not text:
        raise Invalid("text", "say what was promised")
    if not body.HasField("due_at"):
        raise Invalid("due_at", "say by when")
    due_at = instant_of("due_at", body.due_at)
    return customer, MakeCommitment(case, body.epoch, due_at), EntryWords(text, ())


def _keep(body: ownership_pb2.KeepCommitmentRequest) -> Parsed:
    customer, commitment = case_of("commitment_id", body.commitment_id)
    return customer, KeepCommitment(commitment, body.epoch), None


PARSERS: Parsers = {"make_commitment": _make, "keep_commitment": _keep}
