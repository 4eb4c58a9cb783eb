"""What is typed at `toldonce submit` is what the gateway hands in."""

from pathlib import Path

import pytest

from toldonce.cli.submit import _one, _rows
from toldonce.client.submission import request_of


@pytest.mark.parametrize("tier", ["", "gold"])
def test_tier_of_the_customer_is_handed_in_with_the_contact(tier: str) -> None:
    given = _one("Waar?", "chat", {"email": ""}, name="", subject="", message_id="m", tier=tier)
    assert request_of(given, "web").customer_tier == tier


def test_tier_of_the_customer_is_handed_in_with_every_row_of_a_table(tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    table.write_text("text\nWaar is mijn pakket?\nHoe laat?\n")
    rows = _rows(table, "text", "chat", "gold")
    assert [request_of(one, "web").customer_tier for one in rows] == ["gold", "gold"]
