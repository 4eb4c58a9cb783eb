"""Where the server's time goes: cProfile of the house under each kind of load.

Profiling makes Python code two to three times slower and C code hardly, so shares are shares of
Python's own work, not of the clock; the processor time a process in `detail.cpu_us` is undisturbed.
Waiting does not count.
"""

import pstats
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, cast

from loadtests.bench import Bench

OURS = ("submit_per_s", "submit_stream_per_s", "lifecycle_per_s")
_PACKAGE = "toldonce"
_PARTS_MAX = 3


async def profiles(bench: Bench, say: Callable[[str], None], *, top: int) -> dict[str, object]:
    """Profile the house of `bench` under each load, as long as a measurement.

    Returns, by figure: `shares` of own time by part, and `top` lines (own and cumulated seconds).
    """
    house = bench.house.running
    if house is None:
        say("a house that was there before cannot be profiled from here")
        return {}
    found: dict[str, object] = {}
    for number, figure in enumerate(OURS, start=1):
        say(f"profiling {figure}")
        async with house.profiled(number) as path:
            await bench.run(figure, bench.plan.seconds)
        found[figure] = summary(pstats.Stats(str(path)), top=top)
    return found


def summary(stats: pstats.Stats, *, top: int) -> dict[str, object]:
    """Say which parts and which functions the own time is spent in."""
    rows: dict[tuple[str, int, str], Any] = cast("Any", stats).stats
    parts: Counter[str] = Counter()
    lines = []
    for (file, line, function), (_, calls, own_s, cumulated_s, _callers) in rows.items():
        parts[part_of(file, function)] += own_s
        lines.append((own_s, cumulated_s, calls, f"{short(file)}:{line} {function}"))
    total_s = sum(parts.values()) or 1.0
    lines.sort(reverse=True)
    return {
        "shares": {name: round(own_s / total_s, 3) for name, own_s in parts.most_common(24)},
        "top": [
            {"own_s": round(own, 3), "cumulated_s": round(all_, 3), "calls": calls, "where": where}
            for own, all_, calls, where in lines[:top]
        ],
    }


def part_of(file: str, function: str) -> str:
    """Name the part a function belongs to: ours by package, a library by name, else `built in`."""
    path = PurePath(file).with_suffix("").parts
    if "site-packages" in path:
        return path[path.index("site-packages") + 1]
    if _PACKAGE in path:
        last = len(path) - 1 - path[::-1].index(_PACKAGE)
        return ".".join(path[last : last + _PARTS_MAX])
    if file == "~":
        return f"built in: {family(function)}"
    return "python"


def family(function: str) -> str:
    """Say which library a built-in function is of, as far as its name tells."""
    known = ("uvloop", "grpc", "google", "_upb", "json", "hashlib", "cryptography", "uuid_utils")
    lowered = function.lower()
    for word in known:
        if word in lowered:
            return "protobuf" if word in {"google", "_upb"} else word
    return "others"


def short(file: str) -> str:
    """Cut a path to its last three parts: no machine's folders in a report."""
    return "/".join(PurePath(file).parts[-3:]) if file != "~" else "built in"
