"""`toldonce forget`: destroy the keys to a customer's words."""

from typing import TYPE_CHECKING, Annotated

import typer

from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    TokenOption,
    connect,
)
from toldonce.cli.output import Out
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.client.privacy import ForgottenSeen
    from toldonce.client.submission import Address

CustomerOption = Annotated[
    str, typer.Option("--customer", metavar="ID", help="Who, by id.", show_default=False)
]
EmailOption = Annotated[str, typer.Option("--email", help="Who, by e-mail.", show_default=False)]
PhoneOption = Annotated[
    str, typer.Option("--phone", help="Who, by number, as +31...", show_default=False)
]
HandleOption = Annotated[
    str, typer.Option("--handle", help="Who, by network:name.", show_default=False)
]
AccountOption = Annotated[
    str, typer.Option("--account", help="Who, by customer number.", show_default=False)
]


def forget(
    *,
    customer: CustomerOption = "",
    email: EmailOption = "",
    phone: PhoneOption = "",
    handle: HandleOption = "",
    account: AccountOption = "",
    reason: Annotated[
        str, typer.Option("--reason", help="Why, as a code; it stays in the log.")
    ] = "ASKED_TO",
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Forget a customer: what they said, who they are, on every channel. There is no way back.

    Open cases end. Doing it again changes nothing.

    Example: `toldonce forget --email joan@example.org`
    """
    from toldonce.client.privacy import Privacy
    from toldonce.runtime.app import run

    out = Out(json)
    who = customer_named(customer, EMAIL=email, PHONE=phone, HANDLE=handle, ACCOUNT=account)

    async def go() -> "ForgottenSeen":
        async with connect(address, token, as_, data, usual="admin:cli") as client:
            return await Privacy(client).forget(who, reason)

    done = run(go())
    out.say(
        f"Forgotten: customer {done.customer_id}. The words open with no key any more; old copies "
        f"of the keys are of no use after the next `toldonce rotate-keys`, by "
        f"{done.final_by:%Y-%m-%d} at the latest."
    )
    out.emit({"customer_id": done.customer_id, "final_by": done.final_by.isoformat()})


def customer_named(customer: str, **addresses: str) -> "str | Address":
    """Read who is meant; raises Invalid unless it is said in exactly one way."""
    from toldonce.client.submission import Address

    given = [Address(kind, value) for kind, value in addresses.items() if value]
    if len(given) + bool(customer) != 1:
        raise Invalid("", "say who: one of --customer, --email, --phone, --handle, --account")
    return customer or given[0]
