"""Run the tests, quickest first: `python -m tests [folder ...] [--json [FILE]] [-- pytest's own]`.

Exit 0 = all passed, 1 = something failed, 2 = wrong use. Of the simulation 300 000 steps are
among them; more, and the faults its checker must see, are asked for by name: `python -m tests.sim`.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# the simulation lets nothing else run for minutes: it goes before there are connections to keep
ORDER = ("style", "sim", "unit", "property", "traces", "contract", "integration", "chaos", "e2e")
SLOWEST_SHOWN = 10
# on two cores, a file's tests together, the files in our order: `-- -n0` for one core
SPREAD = ("-n2", "--dist=loadfile", "--no-loadscope-reorder")


class Tally:
    """Counts outcomes as pytest reports them: one a test, its worst."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.outcomes["failed"] += 1


def main(arguments: list[str]) -> int:
    """Run the folders asked for, or all of ORDER that hold tests."""
    parser = argparse.ArgumentParser(prog="python -m tests", description="Run the tests.")
    parser.add_argument("folders", nargs="*", metavar="folder", help=f"any of: {', '.join(ORDER)}")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE")
    own, rest = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        own, rest = arguments[:cut], arguments[cut + 1 :]
    asked = parser.parse_args(own)
    unknown = [name for name in asked.folders if name not in ORDER]
    if unknown:
        parser.error(f"no such folder: {', '.join(unknown)} (there are {', '.join(ORDER)})")

    chosen = [HERE / name for name in ORDER if name in (asked.folders or ORDER)]
    folders = [str(folder) for folder in chosen if folder.is_dir()]
    os.environ.setdefault("PYTHONHASHSEED", "0")  # for the workers: a seed tells one history
    tally = Tally()
    started = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr if asked.json == "-" else sys.stdout):
        code = pytest.main(
            [*SPREAD, *folders, f"--durations={SLOWEST_SHOWN}", *rest], plugins=[tally]
        )
    if asked.json:
        _write_report(asked.json, tally, seconds=time.monotonic() - started)
    if code == pytest.ExitCode.USAGE_ERROR:
        return 2
    return 0 if code == pytest.ExitCode.OK else 1


def _write_report(target: str, tally: Tally, *, seconds: float) -> None:
    report = {name: tally.outcomes[name] for name in ("passed", "failed", "skipped")}
    text = json.dumps({**report, "seconds": round(seconds, 1)})
    if target == "-":
        sys.stdout.write(text + "\n")
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
