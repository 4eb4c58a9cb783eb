"""Run the simulation: `python -m tests.sim [--steps N] [--seed S] [--json]`.

Exit 0 = nothing broken (or every mutant caught), 1 = something was, 2 = wrong use.
"""

import argparse
import dataclasses
import gc
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

HELP = """\
The real services run on virtual time over hostile stand-ins for the servers. A run is a row of
episodes with consecutive seeds: a house is opened, lives through bad weather, is healed, and then
everything that happened is checked. A step is one delivery to a consumer, one fault, or one
operation of a client; a tick in which nothing happens is none.

  python -m tests.sim --steps 300000            seeds from 1 on, until that many steps are done
  python -m tests.sim --steps 1 --seed 4711     exactly one episode: replays what that seed showed
  python -m tests.sim --seeds 100 --processes 2 a hundred episodes on two cores
  python -m tests.sim --mutants                 faults are put into the services on purpose, and
                                                each must be caught

A violation names its seed, the invariant (I1 to I12 of the reliability notes, P8 to P10 of the
promises) and a sentence. The same seed gives the same history; `digest` says whether it did.
"""
REPORT_S = 10.0


def main(arguments: list[str]) -> int:
    """Run what is asked for and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sim",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--steps", type=_count, default=0, metavar="N", help="at least so many steps (300 000)"
    )
    parser.add_argument("--seeds", type=_count, default=0, metavar="N", help="or so many episodes")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first seed (1)")
    parser.add_argument("--processes", type=_count, default=1, metavar="P", help="processes (1)")
    parser.add_argument("--mutants", action="store_true", help="check the checker instead")
    parser.add_argument("--only", default="", metavar="NAME", help="mutants whose name has this")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    asked = parser.parse_args(arguments)
    if os.environ.get("PYTHONHASHSEED") != "0":
        # sets of texts are walked in an order that differs from process to process otherwise
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *arguments])  # noqa: S606
    if asked.mutants:
        return _mutants(asked)
    return _steps(asked)


def _count(text: str) -> int:
    number = int(text.replace("_", "").replace(" ", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("wanted 1 or more")
    return number


def _steps(asked: argparse.Namespace) -> int:
    from tests.sim.episode import Report  # noqa: PLC0415 - after the environment is right

    steps = asked.steps or (0 if asked.seeds else 300_000)
    total, began_s, told_s = Report(), time.monotonic(), time.monotonic()
    interrupted = False
    try:
        for report in _episodes(asked.seed, asked.processes):
            total.add(report)
            for broken in report.violations:
                _say(f"seed {broken.seed}: {broken.invariant}: {broken.sentence}")
            if time.monotonic() - told_s > REPORT_S:
                told_s = time.monotonic()
                rate = total.steps / (told_s - began_s)
                _say(
                    f"{total.steps} steps, {total.seeds} seeds, {rate:.0f} steps/s, "
                    f"{len(total.violations)} violations"
                )
            if (steps and total.steps >= steps) or (asked.seeds and total.seeds >= asked.seeds):
                break
    except KeyboardInterrupt:
        interrupted = True
        _say("interrupted: what ran is reported")
    _report(total, asked, time.monotonic() - began_s)
    return 1 if total.violations or interrupted else 0


def _episodes(first: int, processes: int) -> Iterator[Any]:
    if processes == 1:
        seed = first
        while True:
            yield _one(seed)
            seed += 1
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_one, _from(first))


def _from(first: int) -> Iterator[int]:
    # a pool takes whatever an iterator gives at once: a bound keeps its line short
    yield from range(first, first + 1_000_000)


def _one(seed: int) -> Any:
    from tests.sim.episode import run  # noqa: PLC0415 - after the environment is right

    gc.disable()
    try:
        return run(seed)
    finally:
        gc.enable()
        gc.collect()


def _report(total: Any, asked: argparse.Namespace, took_s: float) -> None:
    report = {
        "steps": total.steps,
        "seeds": total.seeds,
        "first_seed": asked.seed,
        "steps_per_s": round(total.steps / took_s) if took_s else 0,
        "operations": total.operations,
        "acknowledged": total.acknowledged,
        "handoffs": total.handoffs,
        "steps_by_kind": dict(sorted(total.kinds.items())),
        "faults_by_kind": dict(sorted(total.faults.items())),
        "checked": dict(sorted(total.checked.items())),
        "digest": total.digest,
        "violations": [dataclasses.asdict(broken) for broken in total.violations],
    }
    if asked.json:
        sys.stdout.write(json.dumps(report) + "\n")
        return
    for name, value in report.items():
        shown = len(value) if name == "violations" else value  # type: ignore[arg-type]
        sys.stdout.write(f"{name}: {shown}\n")


def _mutants(asked: argparse.Namespace) -> int:
    from tests.sim.mutants import hunt  # noqa: PLC0415 - after the environment is right

    report = hunt(only=asked.only, processes=max(asked.processes, 1), told=_say)
    if asked.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        for one in report["list"]:
            sys.stdout.write(
                f"{one['caught_by'] or 'MISSED':>8}  {one['seconds']:6.1f} s  {one['mutant']}\n"
            )
        for name in ("mutants", "caught", "missed", "unmutated_violations"):
            sys.stdout.write(f"{name}: {report[name]}\n")
    return 1 if report["missed"] or report["unmutated_violations"] else 0


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
