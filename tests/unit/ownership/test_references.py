"""What is kept elsewhere is named so that whoever reads later can fetch and check it."""

from typing import Any

import pytest

from toldonce.api.types.v1.types_pb2 import Attachment
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.events import Reference
from toldonce.ownership.wire.parse.words import references_of

FILE: dict[str, Any] = {
    "uri": "https://files.example/1",
    "media_type": "image/png",
    "size_bytes": 7,
    "sha256": "0f" * 32,
}


def test_agent_attaches_a_file_by_reference() -> None:
    unknown = Attachment(**FILE | {"sha256": ""})
    assert references_of([Attachment(**FILE), unknown]) == (
        Reference("https://files.example/1", "image/png", 7, "0f" * 32),
        Reference("https://files.example/1", "image/png", 7, ""),
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"uri": "/etc/passwd"}, "uri"),
        ({"uri": ""}, "uri"),
        ({"uri": "https://" + "x" * 1_024}, "uri"),
        ({"media_type": "png"}, "media_type"),
        ({"media_type": "image/" + "x" * 127}, "media_type"),
        ({"size_bytes": 2**60}, "size_bytes"),
        ({"sha256": "0f" * 31}, "sha256"),
        ({"sha256": "0F" * 32}, "sha256"),
        ({"sha256": "0g" * 32}, "sha256"),
    ],
)
def test_agent_is_refused_a_reference_that_leads_nowhere(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        references_of([Attachment(**FILE), Attachment(**FILE | wrong)])
    assert refusal.value.problems[0].field == f"attachments[1].{field}"
