"""What `timers` can be asked, and what it says of itself."""

import argparse
from collections.abc import Callable
from pathlib import Path

from loadtests.timers.window import Size

ABOUT = """\
Measure whether SLA timers are lost, early or doubled, and how late they are, while things go wrong.

First a log in memory is filled: each story has three open matters of three clocks each, and a
promise, so ten timers to come. This process runs the real ownership handler over it; replicas of
sla, each a process, plan all timers in a real Valkey. Then a tenth comes due (100 000 within 60 s)
while replicas are killed (SIGKILL) and started anew, and Valkey is wiped once (FLUSHALL). Then the
same over a real log, smaller: NATS, ownership and two replicas as processes. All is judged by the
log alone.

  armed_per_s    timers planned a second at the start; beside it plain ZADDs of the same store
  fired          breaches the real handler accepted           fired_durable  the same, real log
  lost           due and never recorded                       must be 0
  early          recorded before the pure function's instant  must be 0
  duplicated     recorded twice                               must be 0
  late_p99_s     append less instant, outside the faults      must be under 2
  rebuild_s      from the wipe until all are planned again    must be under 30
  rss_mb         the most memory a replica of sla had

A fault is on from its instant until it is over (a wipe: all planned again), and a lease longer
(10 s): what a killed replica had claimed comes again only then. A timer is inside when a fault was
on between its instant and its record; what was late before the fault is not excused. Figures for
all, outside and inside are under "late". Nothing else should run on the machine; about 5 minutes.
"""
EXAMPLES = """\
examples:
  python -m loadtests timers                                 the whole, as lines of text
  python -m loadtests timers --count 1000000 --json          the same, one JSON object on stdout
  python -m loadtests timers --due-per-s 500 --durable 0     slower, if two cores cannot do more
  python -m loadtests timers --count 2000 --durable 100      a quick look, under a minute
"""
COUNT_MAX = 2_000_000
DURABLE_SHARE = 100


def options(
    parser: argparse.ArgumentParser, count: Callable[[int, int], Callable[[str], int]]
) -> None:
    """Add the options of this command; `count(low, high)` reads a whole number."""
    size = Size()
    parser.add_argument(
        "--count",
        type=count(100, COUNT_MAX),
        default=size.count,
        help="timers in all; a tenth comes due (%(default)s)",
    )
    parser.add_argument(
        "--replicas", type=count(1, 16), default=size.replicas, help="of sla (%(default)s)"
    )
    parser.add_argument(
        "--due-per-s",
        type=count(1, 100_000),
        default=size.due_per_s,
        help="how many come due a second (%(default).0f: 100 000 in a minute)",
    )
    parser.add_argument(
        "--durable",
        type=count(0, 100_000),
        help=f"breaches over the real log; 0: none (at most {size.durable}, a hundredth of COUNT)",
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="profile the replicas (pstats)"
    )


def size_of(asked: argparse.Namespace) -> Size:
    """Read how much is asked for."""
    standard = min(Size().durable, max(2, asked.count // DURABLE_SHARE))
    durable = standard if asked.durable is None else asked.durable
    return Size(asked.count, asked.replicas, durable, asked.due_per_s)
