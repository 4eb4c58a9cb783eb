"""The report for people."""

from collections.abc import Mapping
from typing import Any

from loadtests.bench import FIGURES
from loadtests.limits import RATIOS

_QUIET_CORES = 0.1


def table(report: Mapping[str, Any]) -> str:
    """Write figures, ratios, processor time and, where taken, profiles, as lines of text."""
    detail = report["detail"]
    told = (
        f"medians of {detail['rounds']} rounds of {detail['seconds']:g} s, "
        f"{detail['concurrency']} at a time, {detail['append_bytes']} bytes an append"
    )
    lines = [
        told,
        "",
        f"{'':24}{'a second':>10}   microseconds of processor each",
    ]
    for name in FIGURES:
        spent = ", ".join(f"{part} {us:,}" for part, us in detail["cpu_us"][name].items())
        lines.append(f"{name:24}{report[name]:>10,.0f}   {spent}")
    lines += ["", *(f"{name:24}{report[name]:>10.2f}" for name in RATIOS)]
    waited = {name: s for name, s in detail["caught_up_s"].items() if s}
    if waited:
        told = ", ".join(f"{name} {s:g} s" for name, s in waited.items())
        lines += ["", f"work left over when the last answer was in: {told}"]
    others = detail["others_cores"]
    if others is not None and others > _QUIET_CORES:
        lines += [
            "",
            f"other programs used {others:g} cores meanwhile: measure again when it is quiet",
        ]
    for figure, profile in report.get("profile", {}).items():
        lines += ["", f"{figure}: own time by part", *_profile(profile)]
    return "\n".join([*lines, ""])


def _profile(profile: Mapping[str, Any]) -> list[str]:
    shares = [f"  {share:6.1%}  {name}" for name, share in profile["shares"].items()]
    top = [
        f"  {line['own_s']:8.3f} {line['cumulated_s']:10.3f} {line['calls']:>9,}  {line['where']}"
        for line in profile["top"]
    ]
    return [*shares, "", f"  {'own s':>8} {'with calls':>10} {'calls':>9}", *top]
