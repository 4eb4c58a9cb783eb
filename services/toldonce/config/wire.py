"""Between `toldonce.api.config.v1` and the handler's words."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.config.v1 import config_pb2
from toldonce.config.handler import Applied, Given
from toldonce.kernel.errors import Invalid
from toldonce.runtime.yaml_tree import TEXT_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Apply:
    """A document to apply; `expected` None: whatever stands."""

    yaml: str
    expected: int | None
    dry_run: bool


def parse_apply(request: config_pb2.ApplyConfigRequest) -> Apply:
    """Read a request to apply; raises Invalid."""
    if not request.yaml.strip():
        raise Invalid("yaml", "is empty: give the document")
    if len(request.yaml.encode()) > TEXT_BYTES_MAX:
        raise Invalid("yaml", f"is larger than {TEXT_BYTES_MAX} bytes")
    expected = request.expected_revision if request.HasField("expected_revision") else None
    return Apply(request.yaml, expected, request.dry_run)


def parse_get(request: config_pb2.GetConfigRequest) -> int | None:
    """Read which revision is asked for; None: the one that stands."""
    return request.revision if request.HasField("revision") else None


def format_applied(applied: Applied) -> config_pb2.ApplyConfigResponse:
    """Write what stands now."""
    return config_pb2.ApplyConfigResponse(
        revision=applied.config.revision,
        policy_version=applied.config.policy_version,
        warnings=applied.remarks,
    )


def format_given(given: Given) -> config_pb2.GetConfigResponse:
    """Write a document."""
    applied_at = Timestamp()
    applied_at.FromDatetime(given.applied_at)
    return config_pb2.GetConfigResponse(
        yaml=given.yaml,
        revision=given.revision,
        policy_version=given.policy_version,
        applied_at=applied_at,
        applied_by_subject=given.applied_by,
    )
