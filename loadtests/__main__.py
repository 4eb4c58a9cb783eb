"""Measure how fast ToldOnce is, and how well it triages: `python -m loadtests`.

Exit 0: everything was measured. 1: it could not be. 2: wrong use.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loadtests import breakdown, timer_stores, triage_options
from loadtests.bench import Bench, Plan
from loadtests.children import ROOT
from loadtests.failover import failover
from loadtests.failover import told as told_failover
from loadtests.limits import limits
from loadtests.rebuild import Size, rebuild, told
from loadtests.remote import house_at
from loadtests.text import table
from loadtests.timers import options as timers_options
from loadtests.timers.run import timers
from loadtests.timers.run import told as told_timers
from toldonce.kernel.errors import Refusal
from toldonce.runtime import compiled
from toldonce.runtime.app import run
from toldonce.runtime.logs import set_up_logging

type Report = dict[str, Any]

_ABOUT = """\
Measure ToldOnce beside the bare limit: the same loop, processes, client, concurrency and bytes, but
an empty gRPC handler and one durable append (fsync always). Bare and ours take turns; medians are
told, and ratios of neighbours in time:

  append_unary_per_s    bare: unary calls with one append
  submit_per_s          ours: SubmitContact                     / bare = submit_ratio
  append_stream_per_s   bare: one stream, each message one append
  submit_stream_per_s   ours: SubmitContacts                    / bare = submit_stream_ratio
  lifecycle_per_s       ours: submit, offer, accept, close  4 x / bare stream = lifecycle_ratio

Both run here as children with servers of their own, in folders that go with them. Nothing else
should run on the machine: on two cores the caller, the server and NATS share them.
"""
_EXAMPLES = """\
examples:
  python -m loadtests limits                        about two minutes, a table
  python -m loadtests limits --json limits.json     the same, and one JSON object in a file
  python -m loadtests limits --seconds 1 --rounds 1 a quick look
  python -m loadtests limits --profile              also where the server's time goes
"""
_REBUILD = """\
Measure how long a process that starts with an empty store needs to know everything again: a real
log is filled first (each story one message, not measured), then ownership, routing and sla start in
one process, and the time is taken until

  views     answer a reader and hold every open case
  engine    has every case that waits
  timers    are planned for every open story

  rebuild_s must be under 20, and should be under 10. Nothing else should run on the machine.
"""
_ENGINE = """\
Measure the pure engine through its public step(): 10 000 agents of 500 kinds with 200 skills, and
100 000 cases in line. A decision is one case matched to one agent, with all indexes kept; half the
facts are new cases, half are agents who become free. Beside it, in the same run, the bare loop: one
push and one pop of a heap of the same length. Then 1 000 agents with 10 000 cases, and 100 000 with
1 000 000: the cost of a decision follows the kinds, not the crowd. The routing core is compiled
first where there is a C compiler (python compile.py); `compiled` says whether it was.

  decisions_per_s must be 50 000, p99_us of a step under 1 000, cost_ratio_100k_vs_1k under 2.
  Nothing else should run on the machine.
"""
_FAILOVER = """\
Measure how long nobody is offered anything when the engine that leads stops: NATS, Valkey, intake,
ownership and two replicas of routing run as processes of their own, agents sit at both replicas,
and contacts come at a steady rate. Round by round the leading replica is paused (SIGSTOP) or killed
(SIGKILL), in turn; a round takes about 15 seconds.

  takeover_s   from the signal to the first offer of the next engine, by the log
  answers_s    how long the next engine took to answer a question meanwhile, at most
  follows_s    how long a paused leader that goes on takes to notice that it does not lead
  faults       broken promises, by the log: each must be 0

  takeover_p99_s must be under 10, and should be under 5. Nothing else should run on the machine.
"""


def _engine() -> Report:
    """Measure the engine, compiled where it can be."""
    subprocess.run([sys.executable, str(ROOT / "compile.py")], check=False)  # noqa: S603
    compiled.prefer()
    from loadtests import engine  # noqa: PLC0415 - after it is known which modules to take

    return engine.measure(engine.Sizes(), _say)


def told_engine(report: Report) -> str:
    """Write what was measured of the engine for people."""
    rows = "".join(f"  {name:24} {value}\n" for name, value in report.items())
    return f"the routing engine\n{rows}"


def main(arguments: Sequence[str]) -> int:
    """Do what is asked."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description="Measure how fast ToldOnce is, and how well it triages. "
        "Start with: limits --help, engine --help, timers --help, triage --help",
    )
    kinds = parser.add_subparsers(
        dest="what",
        required=True,
        metavar="{limits,rebuild,failover,timers,timer-stores,engine,triage}",
    )
    limits_parser = kinds.add_parser(
        "limits",
        help="the figures of the promise on speed, beside the bare limit",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _options(limits_parser)
    rebuild_parser = kinds.add_parser(
        "rebuild",
        help="how long it takes to know every open story again, beside many that have ended",
        description=_REBUILD,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _rebuild_options(rebuild_parser)
    failover_parser = kinds.add_parser(
        "failover",
        help="how long it takes until another engine makes offers, on real processes",
        description=_FAILOVER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _json_option(failover_parser)
    failover_parser.add_argument(
        "--rounds", type=_count(1, 1_000), default=10, help="(%(default)s)"
    )
    timers_parser = kinds.add_parser(
        "timers",
        help="whether timers are lost, early or doubled, and how late, while things go wrong",
        description=timers_options.ABOUT,
        epilog=timers_options.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _json_option(timers_parser)
    timers_options.options(timers_parser, _count)
    engine_parser = kinds.add_parser(
        "engine",
        help="what a decision of the routing engine costs, at any size",
        description=_ENGINE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _json_option(engine_parser)
    triage_parser = kinds.add_parser(
        "triage",
        help="how often the first team is the right one, on a recorded hand-off log",
        description=triage_options.ABOUT,
        epilog=triage_options.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _json_option(triage_parser)
    triage_options.options(triage_parser)
    stores_parser = kinds.add_parser(
        "timer-stores",
        help="what timers cost on Valkey and on JetStream, side by side",
        description=timer_stores.ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _json_option(stores_parser)
    timer_stores.options(stores_parser, _count(10, 10_000_000))
    asked = parser.parse_args(arguments)
    set_up_logging(level="warning")
    try:
        report, text = _report(asked)
    except Refusal as why:
        _say(f"This could not be measured: {why}")
        return 1
    except KeyboardInterrupt:
        _say("Stopped; the processes and folders of this run are gone.")
        return 130
    if asked.json:
        _write(asked.json, json.dumps(report))
    if asked.json != "-":
        sys.stdout.write(text(report))
    return 0


def _report(asked: argparse.Namespace) -> tuple[Report, Callable[[Report], str]]:
    """Measure what is asked; the report, and what writes it for people."""
    match asked.what:
        case "triage":
            from loadtests import triage  # noqa: PLC0415 - scikit-learn, seconds and dev only

            return triage.run_triage(asked, _say), triage.told
        case "engine":
            return _engine(), told_engine
        case "rebuild":
            return run(_rebuild(asked)), told
        case "timer-stores":
            return run(timer_stores.measure(asked, _say)), timer_stores.told
        case "failover":
            return run(_failover(asked)), told_failover
        case "timers":
            return run(_timers(asked)), told_timers
        case _:
            return run(_measure(asked)), table


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="one JSON object, on stdout or in FILE"
    )


def _rebuild_options(parser: argparse.ArgumentParser) -> None:
    size = Size()
    _json_option(parser)
    for name, value in (("stories", size.stories), ("closed", size.closed)):
        parser.add_argument(
            f"--{name}", type=_count(1, 10_000_000), default=value, help="(%(default)s)"
        )
    parser.add_argument("--profile", type=Path, metavar="FILE", help="profile the process (pstats)")


def _options(parser: argparse.ArgumentParser) -> None:
    plan = Plan()
    _json_option(parser)
    parser.add_argument(
        "--seconds",
        type=_between(0.2, 600.0),
        default=plan.seconds,
        help="length of each measurement (%(default)s)",
    )
    parser.add_argument("--rounds", type=_count(1, 100), default=plan.rounds, help="(%(default)s)")
    parser.add_argument(
        "--concurrency",
        type=_count(1, 1_024),
        default=plan.concurrency,
        help="calls or lifecycles under way at a time, bare and ours (%(default)s)",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="measure a house that runs there; the bare server still runs here",
    )
    parser.add_argument(
        "--secrets",
        type=Path,
        default=Path(".toldonce") / "secrets",
        metavar="FOLDER",
        help="with --address: the folder with its development key (%(default)s)",
    )
    parser.add_argument(
        "--tenant",
        default="load",
        help="with --address: whose configuration is replaced by ours; the house must lead an "
        "engine for it, TOLDONCE_TENANTS=demo,load (%(default)s)",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="afterwards, profile the house under each kind of load and show the top lines",
    )
    parser.add_argument(
        "--top", type=_count(1, 200), default=25, help="lines of each profile (%(default)s)"
    )


async def _rebuild(asked: argparse.Namespace) -> Report:
    profile = asked.profile.absolute() if asked.profile else None
    return await rebuild(Size(asked.stories, asked.closed), _say, profile=profile)


async def _failover(asked: argparse.Namespace) -> Report:
    return (await failover(asked.rounds, _say)).report


async def _timers(asked: argparse.Namespace) -> Report:
    profile = asked.profile.absolute() if asked.profile else None
    return await timers(timers_options.size_of(asked), _say, profile=profile)


async def _measure(asked: argparse.Namespace) -> Report:
    plan = Plan(asked.seconds, asked.rounds, asked.concurrency)
    house = None
    if asked.address:
        house = await house_at(asked.address, asked.secrets, asked.tenant)

    async def profile(bench: Bench) -> dict[str, object]:
        return {"profile": await breakdown.profiles(bench, _say, top=asked.top)}

    return await limits(plan, _say, house=house, after=profile if asked.profile else None)


def _between(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return number


def _count(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        return int(_between(low, high)(str(int(text))))

    return whole


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def _write(target: str, text: str) -> None:
    if target == "-":
        sys.stdout.write(text + "\n")
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
