"""Options that several commands share, and how a command finds the system it talks to.

An address is given, or TOLDONCE_ADDRESS, or what `toldonce up` wrote into the data folder, or
127.0.0.1:7700. A token is given, or TOLDONCE_TOKEN, or made with the development key in the data
folder for the one named by `--as ROLE:NAME`. Heavy modules are imported when they are needed.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toldonce.kernel.errors import Invalid
from toldonce.kernel.principal import Role

if TYPE_CHECKING:
    from toldonce.client import Client

DATA = Path(".toldonce")
TENANT = "demo"
ADDRESS = "127.0.0.1:7700"
ADDRESS_FILE = "address"
STDOUT = "-"
_TOKEN_LIFE_S = 3600.0
_NOT_A_JSON_FILE = re.compile(r"-.+|([0-9a-z]{26}){1,2}|.+\.(ya?ml|csv)")

AddressOption = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="TOLDONCE_ADDRESS",
        metavar="HOST:PORT",
        help="Where ToldOnce listens; else the address `toldonce up` left in the data folder.",
        show_default=False,
    ),
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="TOLDONCE_TOKEN",
        help="Who you are; else a development token is made for --as.",
        show_default=False,
    ),
]
AsOption = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="ROLE:NAME",
        help="Be somebody by the development key: gateway, agent, supervisor, admin or service.",
        show_default=False,
    ),
]
DataOption = Annotated[
    Path, typer.Option("--data", envvar="TOLDONCE_DATA", help="The data folder of `toldonce up`.")
]
JsonOption = Annotated[
    str,
    typer.Option(
        "--json",
        metavar="[FILE]",
        help="One JSON object on stdout (progress goes to stderr), or into FILE.",
        show_default=False,
    ),
]
ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason",
        metavar="WHY",
        help="Why, in a few words; it stands in the clear as a code: VIP_CALLBACK.",
        show_default=False,
    ),
]


def arguments(given: Sequence[str]) -> list[str]:
    """Let `--json` stand alone: without a file behind it, it means stdout.

    What comes behind it is a file unless it is an option, an id, or a document or table to read.
    """
    made = list(given)
    for place, word in enumerate(made):
        if word == "--":
            break
        if word != "--json":
            continue
        after = made[place + 1] if place + 1 < len(made) else None
        if after is None or _NOT_A_JSON_FILE.fullmatch(after):
            made[place] = f"--json={STDOUT}"
    return made


def address_of(address: str, data: Path) -> str:
    """Find where to connect to."""
    if address:
        return address
    try:
        return (data / ADDRESS_FILE).read_text(encoding="utf-8").strip() or ADDRESS
    except OSError:
        return ADDRESS


def who(as_: str, usual: str) -> tuple[Role, str]:
    """Read `ROLE:NAME`, or the command's `usual` one; raises Invalid."""
    role, _, name = (as_ or usual).partition(":")
    try:
        return Role(role), name or role
    except ValueError:
        known = ", ".join(one.value for one in Role)
        raise Invalid("--as", f"wanted ROLE:NAME, with a role of {known}") from None


def token_of(token: str, as_: str, data: Path, usual: str) -> str:
    """Give the token to send; raises Invalid where none can be made."""
    if token and as_:
        os_token = os.environ.get("TOLDONCE_TOKEN") == token
        if not os_token:
            raise Invalid("--as", "give --token or --as, not both")
    if token and not as_:
        return token
    from toldonce.kernel.principal import Principal
    from toldonce.runtime import secrets
    from toldonce.runtime.auth import issue
    from toldonce.runtime.clock import SystemClock

    role, name = who(as_, usual)
    folder = data / "secrets"
    if not (folder / "tenant.key").exists():
        raise Invalid(
            "--data",
            f"there are no development keys in {folder}: is `toldonce up` running there? "
            "Else name its folder with --data, or give --token",
        )
    kept = secrets.load(folder)
    return issue(kept, Principal(TENANT, role, name), SystemClock(), life_s=_TOKEN_LIFE_S)


def connect(address: str, token: str, as_: str, data: Path, *, usual: str) -> "Client":
    """Make the client of a command; `usual` is who it is when nobody says."""
    from toldonce.client import Client

    given = token_of(token, as_, data, usual)
    return Client(address_of(address, data), given)
