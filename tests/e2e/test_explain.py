"""A decision is explained, and the journal gone through again, after its engine has gone."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.shop import DOCUMENT, customer, message, opened, patiently, refusal
from tests.e2e.test_cli import run
from toldonce.cli.explain import lines
from toldonce.cli.house import house
from toldonce.client.desk import Desk
from toldonce.kernel.errors import Denied, Missing
from toldonce.kernel.ids import own_of
from toldonce.kernel.principal import Role
from toldonce.lab.replay import proof
from toldonce.routing.wire.journal import pieces

AGENTS = 80
TRACE_BYTES_MAX = 4_096
TENANT = "acme"
pytestmark = pytest.mark.timeout(300)


def large() -> str:
    like = "capacity_units: 3, languages: {en: 5, nl: 5}, skills: {care: 3, lead: 1}"
    head = DOCUMENT.partition("agents:")[0]
    return f"{head}agents:\n" + "".join(
        f"  - {{name: a{number:02}, {like}}}\n" for number in range(AGENTS)
    )


async def messages(desk: Desk) -> list[bytes]:
    return [message async for message in desk.journal()]


async def journalled(desk: Desk, decisions: int) -> None:
    """Wait until so many decisions stand in the journal: it is written a little later."""
    for _ in range(100):
        with suppress(Missing):
            if proof(await messages(desk)).decisions >= decisions:
                return
        await asyncio.sleep(0.2)
    pytest.fail("the journal does not grow")


async def by_command(folder: Path, address: str, token: str, case_id: str) -> None:
    """Ask the same on the command line."""
    where = ("--address", address, "--token", token, "--json")
    told = await run("explain", case_id, *where)
    assert told.code == 0, told.err
    (decision,) = told.json["decisions"]
    changes = {line["gate"]: line["change"] for line in decision["candidates"]}
    assert changes["PRESENCE"] == "would have to be connected"
    book, document = folder / "book.journal", folder / "another.yaml"
    document.write_text(large().replace("capacity_units: 3", "capacity_units: 1"))
    gone_through = await run("replay", "--export", book, *where)
    assert gone_through.code == 0, gone_through.err
    assert gone_through.json["identical"]
    again = await run("replay", book, "--config", document, "--json")
    assert again.code == 0, again.err
    assert again.json["decisions"] == gone_through.json["decisions"]
    diff = again.json["whatif"]
    assert diff["now"]["all"]["cases"] == diff["recorded"]["all"]["cases"] == 3
    spoiled = folder / "spoiled.journal"
    spoiled.write_bytes(book.read_bytes()[:-3])
    refused = await run("replay", spoiled)
    assert refused.code == 2
    assert "middle of a message" in refused.err


async def test_past_decision_is_explained_and_replayed_after_a_failover(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with (
        house(data, document=DOCUMENT, metrics_port=None) as running,
        opened(running, TENANT, large()) as shop,
    ):
        ann, _bob = await shop.agent("a00"), await shop.agent("a01")
        gateway = await shop.gateway()
        acks = [await gateway.submit(message(n, addresses=customer(f"k{n}"))) for n in range(3)]
        offer = await ann.offered()
        await ann.session.accept(offer)
        desk = await shop.desk()

        await journalled(desk, len(acks))
        before = (await desk.explain(offer.case_id))[-1]
    async with (
        house(data, document=DOCUMENT, metrics_port=None) as running,
        opened(running, TENANT, large()) as shop,
    ):
        desk = await shop.desk()
        traces = await patiently(lambda: desk.explain(offer.case_id), within_s=40)
        (trace,) = traces
        assert trace == before
        assert trace.chosen == "a00"
        assert {one.gate for one in trace.candidates} >= {"NONE", "PRESENCE"}
        assert sum(len(line) for line in lines(trace)) < TRACE_BYTES_MAX
        assert await desk.explain_offer(offer.offer_id) == [trace]
        assert await desk.explain_decision(trace.decision_id) == [trace]
        no = await refusal(desk.explain_decision(own_of(offer.case_id)))
        assert isinstance(no, Missing)
        found = proof(await messages(desk))
        assert found.identical
        assert found.decisions >= len(acks)
        assert found.gaps == 0
        told = repr(list(pieces(await messages(desk))))
        assert own_of(offer.case_id) in told
        assert not [word for word in ("shop.example", "Where is my") if word in told]
        await by_command(
            tmp_path, running.address, running.token(Role.SUPERVISOR, "sam", TENANT), offer.case_id
        )
        agent = Desk(await shop.client(Role.AGENT, "a00"))
        assert isinstance(await refusal(messages(agent)), Denied)
