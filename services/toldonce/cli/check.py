"""`toldonce check`: tell what is wrong with a configuration, without a running system."""

from pathlib import Path
from typing import Annotated, Any

import typer

from toldonce.cli.options import JsonOption
from toldonce.cli.output import FAILED, Out, explain
from toldonce.kernel.errors import Invalid

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A YAML document.", show_default=False)
]


def check(file: FileArgument, *, json: JsonOption = "") -> None:
    """Tell what is wrong with a configuration: the path and line of every key that cannot work.

    Example: `toldonce check examples/demo.yaml`
    """
    out = Out(json)
    found = lint(out, file, read_document(file))
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


def lint(out: Out, file: Path, text: str) -> dict[str, Any]:
    """Say what is wrong, or what stands in the document; returns it for machines (`ok`)."""
    from toldonce.config.core import remarks
    from toldonce.runtime.document import check as read
    from toldonce.runtime.zones import WheelZones

    try:
        config = read(text, WheelZones())
    except Invalid as no:
        out.say(explain(no)[0])
        out.say(f"{file}: {len(no.problems)} to correct; nothing was stored.")
        problems = [{"field": p.field, "sentence": p.sentence} for p in no.problems]
        return {"ok": False, "problems": problems, "warnings": []}
    warnings = remarks(config)
    for warning in warnings:
        out.say(f"note: {warning}")
    out.say(
        f"{file} can be applied: {len(config.channels)} channels, {len(config.topics)} topics, "
        f"{len(config.queues)} queues, {len(config.agents)} agents (digest {config.digest[:6]})."
    )
    return {
        "ok": True,
        "problems": [],
        "warnings": list(warnings),
        "digest": config.digest,
        "channels": len(config.channels),
        "queues": len(config.queues),
        "agents": len(config.agents),
    }
