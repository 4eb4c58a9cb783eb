"""`toldonce apply`: put a configuration in force."""

import typer

from toldonce.cli.check import FileArgument, lint, read_document
from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    TokenOption,
    connect,
)
from toldonce.cli.output import FAILED, Out, explain
from toldonce.kernel.errors import Invalid


def apply(
    file: FileArgument,
    *,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Put a configuration in force. What is wrong is told and changes nothing.

    Example: `toldonce apply examples/demo.yaml`
    """
    from toldonce.client.desk import Applied, Desk
    from toldonce.runtime.app import run

    out = Out(json)
    text = read_document(file)
    found = lint(out, file, text)
    if not found["ok"]:
        out.emit(found)
        raise typer.Exit(FAILED)

    async def put() -> Applied:
        async with connect(address, token, as_, data, usual="admin:cli") as client:
            return await Desk(client).apply(text)

    try:
        applied = run(put())
    except Invalid as no:
        out.say(explain(no)[0])
        problems = [{"field": p.field, "sentence": p.sentence} for p in no.problems]
        out.emit({"ok": False, "problems": problems, "warnings": []})
        raise typer.Exit(FAILED) from None
    out.say(f"In force: policy {applied.policy_version} (revision {applied.revision}).")
    out.emit(
        {
            "ok": True,
            "revision": applied.revision,
            "policy_version": applied.policy_version,
            "warnings": list(applied.warnings),
        }
    )
