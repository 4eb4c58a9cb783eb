"""Forgetting, for real: the words of a customer in every place there is, then in none.

A system of its own takes in a customer whose every word is a canary. They are forgotten, the keys
are rotated, and then the disk is searched: the log, the store, the secrets, what was printed. A
copy of the folder from before, given the key-encryption key of after, opens nothing.
"""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.shop import (
    DOCUMENT,
    WITHIN_S,
    Person,
    Shop,
    customer,
    message,
    patiently,
    refusal,
)
from tests.e2e.test_cli import COMMAND, environment, run
from tests.servers import eventually
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.house import TENANT
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.context import Envelope
from toldonce.client.gateway import Gateway
from toldonce.client.news import CaseNews
from toldonce.client.privacy import Privacy
from toldonce.client.submission import Address
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.record import Logged
from toldonce.runtime import names, secrets
from toldonce.runtime.auth import issue
from toldonce.runtime.cipher import Unreadable, unwrap
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import log_of
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.key_blocks import place, unpack
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.nats_link import Link
from toldonce.runtime.pull import pull
from toldonce.runtime.table import open_table
from toldonce.runtime.words import words_of

pytestmark = pytest.mark.timeout(300)
START_S = 40.0
JOAN = "canaryjoan@forget.example"
PHONE = "+31612345678"
SAID = (
    "canary-text-of-the-chat",
    "Canary Name",
    "canary-subject-line",
    "canary-note-of-anna",
    "canary-answer-of-anna",
    "canary-reason",
    "canary-summary",
    "canary-tried",
    "canary-promised",
    "canary-told",
    "canary-mood",
    "canary-by-phone",
    "canary-commitment",
)
WORDS = (*SAID, JOAN, PHONE)
STAYS = "survivor-text"


@dataclass(frozen=True)
class Running:
    """`toldonce up` as a process of its own."""

    data: Path
    address: str

    async def client(self, stack: AsyncExitStack, role: Role, subject: str) -> Client:
        kept = secrets.load(self.data / "secrets")
        token = issue(kept, Principal(TENANT, role, subject), SystemClock())
        return await stack.enter_async_context(Client(self.address, token))

    async def exported(self, kind: str, value: str) -> str:
        """Ask for all that is kept of somebody."""
        async with AsyncExitStack() as stack:
            privacy = Privacy(await self.client(stack, Role.ADMIN, "ada"))
            given = b"".join([piece async for piece in privacy.export(Address(kind, value))])
        assert json.loads(given.splitlines()[0])["line"] == "story"
        return given.decode()


@asynccontextmanager
async def up(data: Path, log: Path) -> AsyncIterator[Running]:
    """Run a system until the end of the block; everything it prints goes to `log`."""
    document = data.parent / "shop.yaml"
    document.write_text(DOCUMENT)
    words = ("up", "--data", data, "--port", "0", "--metrics-port", "0", "--config", document)
    with log.open("ab") as printed:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *map(str, words),
            stdout=printed,
            stderr=printed,
            env={**environment(), "TOLDONCE_LOG_LEVEL": "debug"},
        )
        try:
            await eventually((data / "address").exists, within_s=START_S)
            yield Running(data, (data / "address").read_text().strip())
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


async def tell(running: Running) -> None:
    """Let Joan be told of in every place where words can be, and somebody else stay."""
    async with AsyncExitStack() as stack:
        gateway = Gateway(await running.client(stack, Role.GATEWAY, "web"))
        given = message(
            "joan",
            SAID[0],
            addresses=(Address("EMAIL", JOAN),),
            name=SAID[1],
            subject=SAID[2],
        )
        ack = await patiently(lambda: gateway.submit(given), within_s=START_S)
        desktop = await running.client(stack, Role.AGENT, "anna")
        session = AgentSession(desktop, "anna")
        await patiently(session.open, within_s=START_S)
        anna = Person(session, "anna")
        case = await anna.take(ack.case_id, within_s=START_S)
        await session.note(ack.case_id, SAID[3])
        await session.reply(ack.case_id, SAID[4])
        promise = ownership_pb2.MakeCommitmentRequest(
            case_id=ack.case_id, epoch=case.epoch, text=SAID[12]
        )
        promise.due_at.FromDatetime(datetime.now(UTC) + timedelta(days=1))
        await desktop.ownership.MakeCommitment(promise)
        await session.hand_over(ack.case_id, Envelope(*SAID[5:11]), agent="bram")
        calls = message("call", SAID[11], addresses=(Address("PHONE", PHONE),))
        await gateway.submit(calls)
        await gateway.submit(message("other", STAYS, addresses=customer("other")))
        await anna.vanish()


async def test_forgotten_customer_is_in_no_file_and_no_old_copy_opens(tmp_path: Path) -> None:
    data, old, log = tmp_path / "data", tmp_path / "old", tmp_path / "printed"
    async with up(data, log) as running:
        await tell(running)
    shutil.copytree(data, old)
    old_kek = secrets.load(old / "secrets").kek
    async with up(data, log) as running:
        link = await linked(running)
        before = await run("export-customer", "--email", JOAN, "--data", data)
        assert [word for word in WORDS if word not in before.out] == []
        assert before.out.splitlines() == (await running.exported("PHONE", PHONE)).splitlines()
        done = await run("forget", "--email", JOAN.upper(), "--data", data, "--json")
        assert done.code == 0, done.err
        again = await run("forget", "--customer", link, "--data", data, "--json")
        assert json.loads(again.out) == json.loads(done.out)
        rotated = await run("rotate-keys", "--data", data, "--json")
        assert rotated.code == 0, rotated.err
        assert json.loads(rotated.out)["destroyed"] == ["1"]
        after = await running.exported("PHONE", PHONE)
        assert [word for word in WORDS if word in after] == []
        assert STAYS in await running.exported("EMAIL", "other@shop.example")
        status = json.loads((await run("status", "--data", data, "--json")).out)
        assert status["keys"]["kek_id"] == json.loads(rotated.out)["kek_id"]
        await returns(running)
    hidden = (*WORDS, STAYS, "again-text", old_kek.hex())
    needles = [word.encode() for word in hidden] + [old_kek]
    assert found(data, [TENANT.encode()])
    assert found(data, needles) == []
    assert found(log, needles) == []
    assert log.stat().st_size > 0
    await opens_nothing(old, data)


@pytest.mark.asyncio(loop_scope="module")
async def test_everybody_lets_go_of_a_forgotten_customer_at_once(shop: Shop) -> None:
    gateway, desk = await shop.gateway(), await shop.desk()
    privacy = Privacy(await shop.client(Role.ADMIN, "ada"))
    anna = await shop.agent("anna")
    owned = await gateway.submit(message("owned", addresses=customer("joan")))
    await anna.take(owned.case_id)
    offered = await gateway.submit(message("offered", addresses=customer("john")))
    offer = await anna.offered(offered.case_id)
    waiting = await gateway.submit(
        message("waiting", "it is broken", addresses=customer("jane"), queue="escalations")
    )
    for name in ("joan", "john", "jane"):
        (address,) = customer(name)
        await privacy.forget(address, "ASKED_TO")
    told = await anna.told(CaseNews, case=owned.case_id, what="Forgotten")
    assert told.case.closed
    await anna.over(offer.offer_id)
    for ack in (owned, offered, waiting):
        seen = await desk.case(ack.case_id)
        assert (seen.closed, seen.disposition) == (True, "forgotten")

    async def nothing_is_left() -> bool:
        queues = await desk.queues()
        return not await desk.cases() and not any(q.waiting or q.offered for q in queues)

    await eventually(nothing_is_left, within_s=WITHIN_S)
    again = await gateway.submit(message("again", addresses=customer("joan")))
    assert (await anna.take(again.case_id)).case_id == again.case_id
    assert (await refusal(anna.session.reply(owned.case_id, "still there?"))) is not None


async def linked(running: Running) -> str:
    """Say on proof that who wrote and who called are one; gives the id of the one."""

    def ref(kind: str, value: str) -> ownership_pb2.CustomerRef:
        alias = types_pb2.Alias(kind=types_pb2.AliasKind.Value(f"ALIAS_KIND_{kind}"), value=value)
        return ownership_pb2.CustomerRef(alias=alias)

    async with AsyncExitStack() as stack:
        client = await running.client(stack, Role.SUPERVISOR, "sam")
        request = ownership_pb2.LinkCustomersRequest(
            first=ref("EMAIL", JOAN), second=ref("PHONE", PHONE), reason="showed both"
        )
        return (await client.ownership.LinkCustomers(request)).customer_id


async def returns(running: Running) -> None:
    """Let Joan come back: the new words are readable, the old ones stay gone."""
    async with AsyncExitStack() as stack:
        gateway = Gateway(await running.client(stack, Role.GATEWAY, "web"))
        given = message("back", "again-text", addresses=(Address("EMAIL", JOAN),))
        await gateway.submit(given)
    told = await running.exported("EMAIL", JOAN)
    assert "again-text" in told
    assert JOAN in told
    assert [word for word in SAID if word in told] == []


def found(where: Path, needles: list[bytes]) -> list[tuple[str, bytes]]:
    """Search every file below a folder, names of files too."""
    files = [where] if where.is_file() else [path for path in where.rglob("*") if path.is_file()]
    assert files
    held = ((path, path.read_bytes() + str(path).encode()) for path in files)
    return [(str(path), needle) for path, text in held for needle in needles if needle in text]


async def opens_nothing(old: Path, new: Path) -> None:
    """Give the old folder the key of now: no record and no wrapped key of it opens any more."""
    opened = await _read(old)
    assert {word for word in WORDS if any(word in said for said in opened)} == set(WORDS)
    for kek in (old / "secrets").glob("kek-*"):
        kek.unlink()
    for kek in (new / "secrets").glob("kek-*"):
        shutil.copy(kek, old / "secrets")
    kept = secrets.load(old / "secrets")
    async with log_of(old) as url:
        link = await Link.connect(url, name="ownership")
        try:
            table = await open_table(link, names.KEYS)
            ring, sealed = KeyRing(table, kept, SystemClock()), 0
            async for logged in _sealed(link):
                sealed += 1
                with pytest.raises(Unavailable, match="not loaded"):
                    await words_of(ring, logged.record)
            assert sealed == len(opened)
            entries = [
                entry for row in await table.rows() for entry in _entries(row.key, row.value)
            ]
            assert len(entries) >= 256
            for entry, where in entries:
                with pytest.raises(Unreadable):
                    unwrap(kept.kek, entry, where)
        finally:
            await link.close()


async def _read(folder: Path) -> list[str]:
    """Read the words of every record of a folder with the keys it has."""
    async with log_of(folder) as url:
        link = await Link.connect(url, name="ownership")
        try:
            table = await open_table(link, names.KEYS)
            ring = KeyRing(table, secrets.load(folder / "secrets"), SystemClock())
            return [str(await words_of(ring, one.record)) async for one in _sealed(link)]
        finally:
            await link.close()


def _entries(key: str, block: bytes) -> Iterator[tuple[bytes, bytes]]:
    tenant, name = names.block_of(key)
    for index, entry in unpack(block)[1].items():
        yield entry, place(tenant, name, index)


async def _sealed(link: Link) -> AsyncIterator[Logged]:
    async for batch in pull(link, names.stories_stream(), after=0, idle=True):
        for one in batch:
            logged = decode_logged(one.payload, one.sequence)
            if logged.record.sealed:
                yield logged
        if not batch or batch[-1].pending == 0:
            return
