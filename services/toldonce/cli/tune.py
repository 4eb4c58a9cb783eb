"""`toldonce tune`: let simulated days look for better weights, and keep the rule unless beaten."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import JsonOption
from toldonce.cli.output import Out, complain
from toldonce.cli.scenarios import policies_of, progress, read_scenario, write
from toldonce.kernel.errors import Invalid
from toldonce.lab.scenario import Figure

if TYPE_CHECKING:
    from toldonce.lab.estimate import Estimate
    from toldonce.lab.tuning import Round, Tuned

TUNED = "tuned"
SHOWN = ("J", "missed", "abandon_pct", "p99_min", "sl", "mean_wait")
_STAGES = {
    "rules": "groups of days: the rules that are given",
    "search": "groups of days: this generation",
    "choice": "groups of days: choosing among what was found",
    "proof": "groups of days: holding it against the best rule",
}


def tune(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A YAML file, or the name of a shipped one.",
            show_default=False,
        ),
    ],
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="A rule to begin from and to beat: of the scenario, or a file of policies; all of "
            "the scenario by default.",
        ),
    ] = None,
    figure: Annotated[
        Figure | None,
        typer.Option(
            "--figure", help="What is to become less; else the scenario's own.", show_default=False
        ),
    ] = None,
    term: Annotated[
        list[str] | None,
        typer.Option(
            "--term",
            metavar="TERM",
            help="Which weights of each pair of a type and a group are turned; else base, wait, "
            "spare, queue and serving.",
            show_default=False,
        ),
    ] = None,
    evaluations: Annotated[
        int, typer.Option("--evaluations", min=10, max=100_000, help="Candidates to try, at most.")
    ] = 200,
    starts: Annotated[
        int, typer.Option("--starts", min=1, max=20, help="Searches from the best rules.")
    ] = 3,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.01, help="Real minutes for all of it, about.")
    ] = 15.0,
    hours: Annotated[
        float,
        typer.Option(
            "--hours",
            min=0,
            help="Simulated hours an evaluation (0: as bring 100 000 contacts).",
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same result.")] = 1,
    processes: Annotated[
        int, typer.Option("--processes", min=0, help="Processes (0: one a core).")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.yaml", help="Write the policy that is best there."),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE.svg", help="Also draw how it went.")
    ] = None,
    json: JsonOption = "",
) -> None:
    """Look for weights of a policy that do better on simulated days than the rules you wrote.

    Several searches (separable CMA-ES) begin from the best of your rules; each generation of
    candidates is tried by the real routing core on the same days, and days change from generation
    to generation. What is found is then held against your best rule on days that nothing was
    chosen by. Only when it is surely better there (interval of 95 percent of the difference) is it
    recommended; else your rule stays, and --out holds your rule. Either way the exit code is 0.

    The fuller a desk is, the longer are its spells of luck: where the uncertainty of the difference
    stays larger than what there is to gain, give more --hours (300 is usual) and more --minutes.

    Ctrl-C ends the search and proves what it has found; a second one leaves your rule. The same
    seed gives the same result, unless --minutes or Ctrl-C ended the search.

    What --out holds goes into `toldonce simulate SCENARIO --policy FILE`. What stands there under a
    type goes under `weigh` of the policy of that queue in your configuration; `toldonce check` says
    what it may starve.

    Example: `toldonce tune s5-b --policy weighed --policy own-first --out tuned.yaml`

    Example: `toldonce tune day.yaml --figure mean_wait --term base --term queue --minutes 5`
    """
    from dataclasses import replace

    from toldonce.lab.knobs import TERMS
    from toldonce.lab.tuning import Effort, Tuner

    said = Out(json)
    for option, path in (("--out", out), ("--chart", chart)):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise Invalid(option, f"{path} cannot be written: name a file in a folder that exists")
    found = read_scenario(scenario)
    found = replace(found, figure=figure or found.figure)
    effort = Effort(evaluations, starts, minutes, hours, seed, processes, tuple(term or TERMS))
    tuner = Tuner(
        found,
        policies_of(found, policy or []),
        effort,
        time.monotonic,
        told=lambda stage, done, of: progress(_STAGES[stage], done, of),
        heard=_heard(found.figure, evaluations),
    )
    tuned = tuner.run()
    text = _text(tuned, scenario, seed)
    if out is not None:
        write("--out", out, text)
    if chart is not None:
        _draw(chart, tuned)
    _show(said, tuned)
    said.say(text.rstrip() if out is None else f"The policy is in {out}.")
    said.emit(_report(tuned, seed))


def _heard(figure: Figure, evaluations: int) -> "Callable[[Round], None]":
    """Tell after each generation how it goes."""

    def heard(one: "Round") -> None:
        complain(
            f"{one.evaluations} of {evaluations} evaluations: {figure.value} {one.best:.3f} at "
            f"best, {one.rule:.3f} by the best rule on the same days"
        )

    return heard


def _text(tuned: "Tuned", scenario: str, seed: int) -> str:
    """Write the policy that is best as a file of policies, and how it came about."""
    from toldonce.lab.knobs import tree_of
    from toldonce.runtime.yaml_tree import dump

    name, policy = (TUNED, tuned.policy) if tuned.better else (tuned.rule.policy, tuned.written)
    return (
        f"# `toldonce tune {scenario}`, seed {seed}.\n# {_verdict(tuned)}\n"
        "# What stands under a type goes under `weigh` of the policy of that queue.\n"
        f"{dump({name: tree_of(policy)})}"
    )


def _verdict(tuned: "Tuned") -> str:
    """Say in a sentence which policy is best, and how sure that is."""
    from toldonce.lab.tuning import End

    own, rule = tuned.scenario.figure.value, tuned.rule.policy
    off = tuned.differences.get(own)
    if tuned.found is None or off is None:
        why = "it was stopped" if tuned.ended is End.ASKED else "the time was up"
        return f"{rule} stays: {why} before anything else was proven."
    of = f"{own} {tuned.found.figures[own].value:.3f} against {tuned.rule.figures[own].value:.3f}"
    difference = f"difference {off.value:.3f} ± {off.half_width:.3f}"
    if tuned.better:
        return f"Better than {rule}, on days nothing was chosen by: {of}, {difference}."
    return f"{rule} stays: what was found is not surely better ({of}, {difference})."


def _show(said: Out, tuned: "Tuned") -> None:
    from rich.table import Table

    scenario, rule, found = tuned.scenario, tuned.rule, tuned.found
    own = scenario.figure.value
    said.say(
        f"{tuned.evaluations} evaluations of {tuned.hours:.3g} simulated hours; "
        f"ended by {tuned.ended.value}."
    )
    if found is not None:
        table = Table(title=scenario.title or scenario.name, title_justify="left")
        for words in ("figure", rule.policy, TUNED, "difference"):
            table.add_column(words, justify="left" if words == "figure" else "right")
        for name in dict.fromkeys((own, *SHOWN, *(f"sl_{one.name}" for one in scenario.types))):
            shown = [rule.figures[name], found.figures[name], tuned.differences.get(name)]
            cells = [f"{one.value:.3f} ± {one.half_width:.3f}" if one else "-" for one in shown]
            table.add_row(name, *cells)
        said.console.print(table)
    said.say(_verdict(tuned))


def _report(tuned: "Tuned", seed: int) -> dict[str, Any]:
    from toldonce.lab.knobs import tree_of

    def figures(found: "Mapping[str, Estimate]") -> dict[str, Any]:
        return {
            name: {"value": round(one.value, 6), "half_width": round(one.half_width, 6)}
            for name, one in found.items()
        }

    return {
        "scenario": tuned.scenario.name,
        "figure": tuned.scenario.figure.value,
        "seed": seed,
        "evaluations": tuned.evaluations,
        "hours": round(tuned.hours, 3),
        "ended": tuned.ended.value,
        "better": tuned.better,
        "rule": {"policy": tuned.rule.policy, "figures": figures(tuned.rule.figures)},
        "tuned": {
            "figures": figures(tuned.found.figures) if tuned.found else {},
            "policy": tree_of(tuned.policy),
        },
        "difference": figures(tuned.differences),
        "verdict": _verdict(tuned),
        "policy": tree_of(tuned.policy if tuned.better else tuned.written),
        "rounds": [[one.evaluations, one.rule, one.best] for one in tuned.rounds],
    }


def _draw(path: Path, tuned: "Tuned") -> None:
    from toldonce.lab.picture import lines

    rows = {
        f"{tuned.written.name} (rule)": [one.rule for one in tuned.rounds],
        "best of generation": [one.best for one in tuned.rounds],
    }
    title = f"{tuned.scenario.name} - {tuned.scenario.figure.value} by evaluations"
    write("--chart", path, lines(title, [one.evaluations for one in tuned.rounds], rows))
