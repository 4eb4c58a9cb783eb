"""`toldonce agent`: be an agent in the terminal."""

from typing import Annotated

import typer

from toldonce.cli.options import (
    DATA,
    AddressOption,
    DataOption,
    TokenOption,
    connect,
)
from toldonce.cli.output import Out


def agent(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An agent of the configuration.")
    ] = "anouk",
    *,
    address: AddressOption = "",
    token: TokenOption = "",
    data: DataOption = DATA,
    wait_s: Annotated[
        float,
        typer.Option("--wait-s", help="With commands from a pipe: how long to wait for an offer."),
    ] = 60.0,
) -> None:
    r"""Be an agent: offers come with their story; accept, reply, promise, ask, hand over, close.

    Commands come from the keyboard or through a pipe; `?` lists them. What the customer adds is
    shown before anything is handed over or closed.

    Example: `toldonce agent anouk`

    Example: `printf 'a\nh warm agent:tess Not mine / A chair\n' | toldonce agent anouk`

    Example: `printf 'a\nr It is on its way.\nc answered\n' | toldonce agent anouk`
    """
    from toldonce.cli.desktop import Desktop
    from toldonce.client.agent import AgentSession
    from toldonce.runtime.app import run

    async def sit() -> None:
        async with (
            connect(address, token, "", data, usual=f"agent:{name}") as client,
            AgentSession(client, name) as session,
        ):
            await Desktop(session, Out(), wait_s=wait_s).run()

    run(sit())
