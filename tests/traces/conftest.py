"""Golden texts: what a machine did, as a person reads it. `pytest tests/traces --rewrite` keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="keep what the machines say now as the golden text"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the one kept under this name, or keep it (`--rewrite`)."""
    rewrite = bool(request.config.getoption("--rewrite", default=False))

    def compare(name: str, text: str) -> None:
        kept = GOLDEN / f"{name}.txt"
        if rewrite:
            GOLDEN.mkdir(exist_ok=True)
            kept.write_text(text, encoding="utf-8")
        assert kept.exists(), f"nothing kept: run pytest tests/traces --rewrite for {kept.name}"
        assert text == kept.read_text(encoding="utf-8")

    return compare
