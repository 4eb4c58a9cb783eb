"""The log goes on in a new epoch under load: nothing is lost, told twice or forgotten."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.shop import DOCUMENT, Person, Shop, customer, message, opened, patiently, refusal
from tests.servers import eventually
from toldonce.cli.house import TENANT, House, house
from toldonce.client.gateway import Gateway
from toldonce.client.submission import Ack
from toldonce.kernel.errors import Rejected
from toldonce.kernel.story.events import ContactReceived
from toldonce.runtime import names
from toldonce.runtime.history import history_of
from toldonce.runtime.nats_link import Link
from toldonce.runtime.rolling import carried, drop, epochs_of, export, roll

BEFORE, DURING = 30, 90
SOON_S = 60.0


@asynccontextmanager
async def _shop(data: Path) -> AsyncIterator[tuple[House, Shop, Link]]:
    async with house(data, document=DOCUMENT) as home, opened(home, TENANT) as shop:
        link = await Link.connect((home.servers.nats_url,), name="operator", options={})
        try:
            yield home, shop, link
        finally:
            await link.close()


async def _tell(gateway: Gateway, numbers: range, acks: dict[int, Ack]) -> None:
    for number in numbers:
        told = message(number, f"words {number}", addresses=customer(f"c{number % BEFORE}"))
        acks[number] = await patiently(partial(gateway.submit, told), within_s=SOON_S)
        await asyncio.sleep(0.1)


async def _serve(person: Person) -> None:
    """Take what is offered and end it; what cannot be now is asked again."""
    session = person.session
    while True:
        offer = await person.offered(within_s=SOON_S)
        with suppress(Rejected):
            taken = await patiently(partial(session.accept, offer), within_s=SOON_S)
            close = partial(session.close_case, taken.case.case_id, "solved")
            await patiently(close, within_s=SOON_S)


async def test_log_goes_on_in_a_new_epoch_under_load(tmp_path: Path) -> None:
    async with _shop(tmp_path / "data") as (home, shop, link):
        table, log = home.ports.tables.leases, home.ports.log
        gateway = await shop.gateway()
        acks: dict[int, Ack] = {}
        await _tell(gateway, range(BEFORE), acks)
        anna = await shop.agent("anna")
        serving = asyncio.create_task(_serve(anna))
        telling = asyncio.create_task(_tell(gateway, range(BEFORE, DURING), acks))
        await eventually(lambda: len(acks) > BEFORE + 5)
        said: list[str] = []
        await roll(link, table, replicas=1, say=said.append)
        epochs = await carried(table, said.append, wait_s=SOON_S)
        await telling
        await eventually(lambda: _all_ended(shop, acks), within_s=SOON_S)
        serving.cancel()
        assert epochs.all[0].last is not None
        assert epochs.current.number == 2
        await _check_told_once(home, gateway, acks)
        read = await anna.session.peek(acks[0].case_id)
        assert "words 0" in [item.text for item in read.items]
        await _check_export_and_drop(home, link, gateway, acks)
        info = await log.info()
        assert info.epoch == 2


async def _all_ended(shop: Shop, acks: dict[int, Ack]) -> bool:
    customers = {ack.customer_id for ack in acks.values()}
    for who in customers:
        history = await history_of(shop.house.ports.log, TENANT, who)
        if history[-1].record.head.cases:
            return False
    return True


async def _check_told_once(home: House, gateway: Gateway, acks: dict[int, Ack]) -> None:
    """Each contact stands once in its story, in one chain, and a repeat gets the first answer."""
    log = home.ports.log
    received = []
    for who in {ack.customer_id for ack in acks.values()}:
        history = await history_of(log, TENANT, who)
        received += [
            event.contact
            for one in history
            for event in one.record.events
            if isinstance(event, ContactReceived)
        ]
        assert await log.last(names.story(TENANT, who, 2)) is not None
    assert sorted(received) == sorted(ack.contact_id[26:] for ack in acks.values())
    for number in range(0, DURING, 7):
        told = message(number, f"words {number}", addresses=customer(f"c{number % BEFORE}"))
        again = await gateway.submit(told)
        assert again.repeat
        assert again.contact_id == acks[number].contact_id


async def _check_export_and_drop(
    home: House, link: Link, gateway: Gateway, acks: dict[int, Ack]
) -> None:
    """The old epoch can be read and kept elsewhere; without it stories go on and say so."""
    table = home.ports.tables.leases
    epochs, _ = await epochs_of(table)
    old = epochs.all[0]
    file = io.BytesIO()
    assert await export(link, epochs, 1, file) == old.last
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, old.last + 1))
    with pytest.raises(Rejected, match="takes appends"):
        await drop(link, table, 2)
    whole = await history_of(home.ports.log, TENANT, acks[0].customer_id)
    await drop(link, table, 1)
    kept = await history_of(home.ports.log, TENANT, acks[0].customer_id)
    assert kept == tuple(one for one in whole if one.sequence >= epochs.all[1].first)
    assert kept[0].record.previous_sequence == 0
    fresh = await gateway.submit(message("new", addresses=customer("c0")))
    assert not fresh.repeat
    ancient = message("ancient", addresses=customer("c0"), made_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert not (await gateway.submit(ancient)).repeat
    no = await refusal(gateway.submit(message(0, "words 0", addresses=customer("c0"))))
    assert isinstance(no, Rejected)
    assert no.reason == "MADE_BEFORE_RETENTION"
    assert home.ports.log.halted is None


async def test_roll_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    async with _shop(tmp_path / "data") as (home, shop, link):
        table = home.ports.tables.leases
        gateway = await shop.gateway()
        first = await gateway.submit(message(1))
        rolling = asyncio.create_task(roll(link, table, replicas=1, say=lambda _: None))
        await eventually(lambda: _opening(home))
        rolling.cancel()
        with suppress(asyncio.CancelledError):
            await rolling
        assert (await epochs_of(table))[0].opening
        telling = asyncio.create_task(
            patiently(lambda: gateway.submit(message(2)), within_s=SOON_S)
        )
        await roll(link, table, replicas=1, say=lambda _: None)
        second = await telling
        assert (second.customer_id, second.joined) == (first.customer_id, True)
        await carried(table, lambda _: None, wait_s=SOON_S)
        no = await refusal(export(link, (await epochs_of(table))[0], 2, io.BytesIO()))
        assert isinstance(no, Rejected)


async def _opening(home: House) -> bool:
    return (await epochs_of(home.ports.tables.leases))[0].opening
