"""`toldonce check`: tell what is wrong with a configuration, without a running system."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import JsonOption
from toldonce.cli.output import FAILED, Out, explain
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.kernel.config import Config
    from toldonce.kernel.config.linter import Finding, Load

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A YAML document.", show_default=False)
]


def check(file: FileArgument, *, json: JsonOption = "") -> None:
    """Tell what is wrong with a configuration: the path and line of every key that cannot work.

    Errors can never work (exit code 1), warnings hardly as meant, notes may be meant. Rules:

    - document: what no service runs under, such as unknown names and skills nobody has

    - unsatisfiable: skills and language nobody meets until a relaxing step

    - unreachable: a queue that nothing leads to

    - step: a relaxing step that changes nothing, or comes too late to matter

    - starving: work that other work can keep waiting for ever

    - inversion: work that counts less, and goes before what counts more

    - cost: a channel that costs more units than those who could take its work have

    - calendar: holidays and exceptions that leave no open time, or holidays that run out

    - load: more contacts in the `forecast` than the agents can carry

    It also says on which days each calendar is closed next, and which holiday that is.

    Example: `toldonce check examples/demo.yaml`
    """
    out = Out(json)
    found = lint(out, file, read_document(file), plan=True)
    out.emit(found)
    if not found["ok"]:
        raise typer.Exit(FAILED)


def read_document(file: Path) -> str:
    """Read a file as text; raises Invalid with a sentence."""
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise Invalid("FILE", f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Invalid("FILE", f"{file} is not UTF-8 (byte {error.start})") from None


def read_config(file: Path) -> "Config":
    """Read a document as `apply` would store it now; raises Invalid."""
    from toldonce.runtime.clock import SystemClock
    from toldonce.runtime.document import check as read
    from toldonce.runtime.holidays import WheelHolidays
    from toldonce.runtime.zones import WheelZones

    holidays = WheelHolidays(SystemClock().now().year)
    return read(read_document(file), WheelZones(), holidays)


def lint(out: Out, file: Path, text: str, *, plan: bool = False) -> dict[str, Any]:
    """Say what is wrong, or what stands in the document; returns it for machines (`ok`).

    `plan`: plan for its forecast too. A load too high for those who are there is no reason to
    refuse a document that takes somebody out: so `apply` does not plan.
    """
    from toldonce.cli.calendars import show_closed
    from toldonce.kernel.config.linter import Finding, Rule, Severity, findings
    from toldonce.runtime.clock import SystemClock
    from toldonce.runtime.document import check as read
    from toldonce.runtime.holidays import WheelHolidays
    from toldonce.runtime.yaml_tree import line_of, lines
    from toldonce.runtime.zones import WheelZones

    now = SystemClock().now()
    try:
        config = read(text, WheelZones(), WheelHolidays(now.year))
        load = _load(config) if plan else None
    except Invalid as no:
        out.say(explain(no)[0])
        out.say(f"{file}: {len(no.problems)} to correct; nothing was stored.")
        return _figures(
            Finding(Severity.ERROR, Rule.DOCUMENT, p.field, p.sentence) for p in no.problems
        )
    known = lines(text)
    found = [
        replace(one, sentence=f"line {line_of(known, one.field)}: {one.sentence}")
        for one in findings(config, load, now)
    ]
    for one in found:
        out.say(f"{one.severity}: {one.field}: {one.sentence}")
    figures = _figures(found)
    if load is not None:
        figures["load"] = _figures_of(load)
        out.say(f"The forecast takes {load.rho:.2f} of what these agents can carry.")
    figures["calendars"] = show_closed(out, config, now)
    if not figures["ok"]:
        out.say(f"{file}: {len(figures['problems'])} to correct; nothing was stored.")
        return figures
    out.say(
        f"{file} can be applied: {len(config.channels)} channels, {len(config.topics)} topics, "
        f"{len(config.queues)} queues, {len(config.agents)} agents (digest {config.digest[:6]})."
    )
    return figures | {
        "digest": config.digest,
        "channels": len(config.channels),
        "queues": len(config.queues),
        "agents": len(config.agents),
    }


def _load(config: "Config") -> "Load | None":
    from toldonce.kernel.config.linter import load

    if not config.forecast.contacts:
        return None
    from toldonce.cli.linear import solve

    return load(config, solve)


def _figures(found: Iterable["Finding"]) -> dict[str, Any]:
    """Write findings for machines: all of them, and by what they mean for applying."""
    from toldonce.kernel.config.linter import Severity

    listed = list(found)
    wrong = [one for one in listed if one.severity is Severity.ERROR]
    return {
        "ok": not wrong,
        "problems": [{"field": one.field, "sentence": one.sentence} for one in wrong],
        "warnings": [one.sentence for one in listed if one.severity is not Severity.ERROR],
        "findings": [
            {
                "severity": one.severity.value,
                "rule": one.rule.value,
                "field": one.field,
                "sentence": one.sentence,
            }
            for one in listed
        ],
    }


def _figures_of(load: "Load") -> dict[str, Any]:
    """Write what the plan came to; `left_over` in contacts an hour, by the path of the entry."""
    return {
        "rho": load.rho,
        "rho_before_relaxing": load.rho_plain,
        "left_over": {f"forecast.contacts[{at}]": count for at, count in load.left},
        "short": [f"forecast.contacts[{at}]" for at in load.short],
        "nobody": [f"forecast.contacts[{at}]" for at in load.nobody],
    }
