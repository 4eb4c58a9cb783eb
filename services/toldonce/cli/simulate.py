"""`toldonce simulate`: try routing policies on a scenario before anybody feels them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import JsonOption
from toldonce.cli.output import FAILED, Out
from toldonce.cli.scenarios import parse, policies_of, progress, read_scenario, write
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.lab.running import Result
    from toldonce.lab.scenario import Policy, Scenario

SHOWN = ("J", "sl", "abandon_pct", "p99_min", "mean_wait")
_LESS_IS_BETTER = "less is better"
_BAR = 40


def simulate(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A YAML file, or the name of a shipped one.",
            show_default=False,
        ),
    ] = "",
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="A policy of the scenario, or a file of policies; all of the scenario by default.",
        ),
    ] = None,
    replications: Annotated[
        int, typer.Option("--replications", min=0, help="Days (0: as many as the scenario says).")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same days.")] = 1,
    processes: Annotated[
        int, typer.Option("--processes", min=0, help="Processes (0: one a core).")
    ] = 0,
    suite: Annotated[
        str, typer.Option("--suite", metavar="science", help="Run the science suite instead.")
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="S1", help="Of the suite, these only.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE.svg", help="Also draw a picture.")
    ] = None,
    json: JsonOption = "",
) -> None:
    """Run the real routing core on simulated days, under one policy or several.

    Every policy sees the same contacts (common random numbers). Each figure comes with the
    half-width of its interval of 95 percent. Without a scenario, those shipped are listed.

    Example: `toldonce simulate s2 --policy fifo --policy bent`

    Example: `toldonce simulate --suite science --json`
    """
    out = Out(json)
    if suite:
        _suite(out, suite, processes, only or [])
        return
    if not scenario:
        _list(out)
        return
    found = read_scenario(scenario)
    wanted = policies_of(found, policy or [])
    results = _run(found, wanted, replications or found.replications, seed, processes)
    _show(out, found, results)
    if chart is not None:
        _draw(chart, found, results)
        out.say(f"The picture is in {chart}.")
    out.emit(_report(found, results, seed))


def _run(
    scenario: "Scenario", policies: "list[Policy]", replications: int, seed: int, processes: int
) -> "list[Result]":
    from toldonce.lab.running import Plan, run

    plans = [Plan(scenario, policy, replications, seed) for policy in policies]
    return run(plans, processes, _told)


def _list(out: Out) -> None:
    from toldonce.lab.suite import shipped, text_of

    found = {name: parse(text_of(name)) for name in shipped()}
    for name, one in found.items():
        out.say(f"{name:18} {one.title}")
        out.say(f"{'':18} policies: {', '.join(one.policies)}")
    out.emit(
        {name: {"title": one.title, "policies": [*one.policies]} for name, one in found.items()}
    )


def _suite(out: Out, name: str, processes: int, only: list[str]) -> None:
    from toldonce.lab.suite import run_suite

    if name != "science":
        raise Invalid("--suite", "there is one suite: science")
    report = run_suite(parse, processes=processes, only=only, told=_told)
    scenarios: Any = report["scenarios"]
    for place, one in scenarios.items():
        out.say(f"{place}: {'passed' if one['passed'] else 'FAILED'}")
        for figure, got in one["figures"].items():
            mark = " " if got["passed"] else "!"
            said = f"{got['value']:.4f} ± {got['half_width']:.4f}"
            out.say(f" {mark} {figure:40} {said:24} wanted {one['limit'][figure]}")
    adaptive: Any = report["adaptive"]
    for place, one in adaptive.items():
        mark = " " if one["passed"] else "!"
        said = f"{one['adaptive']:.4f} against {one['best']:.4f} of {one['best_policy']}"
        off = f"{one['off']:.2f} ± {one['half_width']:.2f} off, may be {one['may_be_off']:g}"
        out.say(f" {mark} adaptive on {place:4} {one['figure']:14} {said:44} {off}")
    out.emit(report)
    if report["failed"]:
        raise typer.Exit(FAILED)


def _show(out: Out, scenario: "Scenario", results: "list[Result]") -> None:
    from rich.table import Table

    own = scenario.figure.value
    table = Table(title=scenario.title or scenario.name, title_justify="left")
    shown = list(dict.fromkeys((own, *SHOWN, *(f"sl_{type_.name}" for type_ in scenario.types))))
    table.add_column("figure")
    for result in results:
        table.add_column(result.policy, justify="right")
    for name in shown:
        row = [result.figures[name] for result in results]
        table.add_row(name, *(f"{one.value:.3f} ± {one.half_width:.3f}" for one in row))
    out.console.print(table)
    out.say(f"{own} ({_LESS_IS_BETTER}):")
    most = max(result.figures[own].value for result in results) or 1.0
    for result in sorted(results, key=lambda one: one.figures[own].value):
        value = result.figures[own].value
        bar = "█" * max(1, round(_BAR * max(value, 0.0) / most))
        out.say(f"  {result.policy:18} {bar} {value:.3f}")


def _report(scenario: "Scenario", results: "list[Result]", seed: int) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "figure": scenario.figure.value,
        "seed": seed,
        "policies": {
            result.policy: {
                "replications": result.replications,
                "figures": {
                    name: {"value": round(one.value, 6), "half_width": round(one.half_width, 6)}
                    for name, one in result.figures.items()
                },
            }
            for result in results
        },
    }


def _draw(path: Path, scenario: "Scenario", results: "list[Result]") -> None:
    from toldonce.lab.picture import bars

    own = scenario.figure.value
    rows = [(r.policy, r.figures[own].value, r.figures[own].half_width) for r in results]
    write("--chart", path, bars(f"{scenario.title} - {own}", rows))


def _told(done: int, of: int) -> None:
    progress("groups of days", done, of)
