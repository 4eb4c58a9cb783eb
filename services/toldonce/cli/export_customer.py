"""`toldonce export-customer`: all that is kept of a customer, as JSON lines."""

from pathlib import Path
from typing import Annotated

import typer

from toldonce.cli.forget import (
    AccountOption,
    CustomerOption,
    EmailOption,
    HandleOption,
    PhoneOption,
    customer_named,
)
from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    TokenOption,
    connect,
)
from toldonce.cli.output import complain


def export_customer(
    *,
    customer: CustomerOption = "",
    email: EmailOption = "",
    phone: PhoneOption = "",
    handle: HandleOption = "",
    account: AccountOption = "",
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Into a file, readable by you alone."),
    ] = None,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
) -> None:
    """Write all that is kept of a customer as JSON lines: every channel, word and decision.

    Example: `toldonce export-customer --email joan@example.org --out joan.jsonl`
    """
    from toldonce.client.privacy import Privacy
    from toldonce.runtime.app import run

    who = customer_named(customer, EMAIL=email, PHONE=phone, HANDLE=handle, ACCOUNT=account)

    async def read() -> bytes:
        async with connect(address, token, as_, data, usual="admin:cli") as client:
            return b"".join([piece async for piece in Privacy(client).export(who)])

    found = run(read())
    if file is None:
        typer.echo(found, nl=False)
        return
    _write(file, found)
    complain(f"{found.count(b'\n')} lines in {file}.")


def _write(file: Path, found: bytes) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_bytes(found)
