"""What every test may count on: hypothesis repeats itself, and a seed that is printed."""

import asyncio
import random

import pytest
from hypothesis import settings

SEED = 20_260_101

# The same code gives the same examples, so a red run is about the change under test. `explore`
# looks for new histories instead, and prints how to repeat what it finds.
settings.register_profile("toldonce", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("toldonce")


def pytest_configure() -> None:
    """Say that there is no loop yet: looptime asks around every test, and asking would make one."""
    asyncio.set_event_loop(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=SEED, help="seed of the tests that draw numbers")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('seed')} (--seed N); explore: --hypothesis-profile explore"


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    """A generator of this test's own, from the seed in the header and the test's name."""
    return random.Random(f"{request.config.getoption('seed')} {request.node.nodeid}")  # noqa: S311
