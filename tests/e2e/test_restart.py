"""The whole system as a process of its own, killed in the middle of load and started again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.e2e.shop import DOCUMENT, Person, check_history, customer, message, patiently
from tests.servers import eventually, servers
from toldonce.cli.house import TENANT
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.gateway import Gateway
from toldonce.client.submission import Ack, Submission
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import ContactReceived
from toldonce.runtime import names, secrets
from toldonce.runtime.auth import issue
from toldonce.runtime.child import free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log

PROGRAM = "import sys; from toldonce.cli.main import main; sys.argv[0] = 'toldonce'; main()"
CONTACTS = 120
START_S = 40.0


async def test_system_that_is_killed_under_load_has_every_contact_once(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    document = tmp_path / "shop.yaml"
    document.write_text(DOCUMENT)
    sent = [message(n, addresses=customer(f"k{n}")) for n in range(CONTACTS)]
    acks: dict[str, Ack] = {}
    async with _up(data, port, document) as first:
        submitting = asyncio.create_task(_submit_all(data, port, sent, acks))
        await eventually(lambda: len(acks) >= CONTACTS // 4, within_s=START_S)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert len(acks) < CONTACTS
    told = dict(acks)
    async with _up(data, port, document):
        await submitting
        assert len(acks) == CONTACTS
        client = _client(data, port, Role.GATEWAY, "web")
        async with client:
            again = [await Gateway(client).submit(given) for given in sent]
        assert all(ack.repeat for ack in again)
        for given, ack in zip(sent, again, strict=True):
            known = told.get(given.message_id, acks[given.message_id])
            assert (ack.contact_id, ack.case_id, ack.received_at) == (
                known.contact_id,
                known.case_id,
                known.received_at,
            )
        async with _client(data, port, Role.AGENT, "anna") as desktop:
            session = AgentSession(desktop, "anna")
            await patiently(session.open, within_s=START_S)
            anna = Person(session, "anna")
            assert (await anna.take(within_s=START_S)).owner == "anna"
            await anna.vanish()
    await _check_log(data, list(acks.values()))


@asynccontextmanager
async def _up(data: Path, port: int, document: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `toldonce up` until the end of the block."""
    words = ("up", "--data", str(data), "--port", str(port), "--metrics-port", "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *words,
        "--config",
        str(document),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _submit_all(data: Path, port: int, sent: list[Submission], acks: dict[str, Ack]) -> None:
    """Submit with four at a time, each until it is acknowledged."""
    await eventually((data / "secrets" / "tokens").is_dir, within_s=START_S)
    waiting = iter(sent)

    async def work() -> None:
        async with _client(data, port, Role.GATEWAY, "web") as client:
            for given in waiting:
                ask = lambda given=given: Gateway(client).submit(given)  # noqa: E731
                ack = await patiently(ask, within_s=START_S)
                acks[given.message_id] = ack

    await asyncio.gather(*(work() for _ in range(4)))


def _client(data: Path, port: int, role: Role, subject: str) -> Client:
    kept = secrets.make(data / "secrets")
    token = issue(kept, Principal(TENANT, role, subject), SystemClock())
    return Client(f"127.0.0.1:{port}", token)


async def _check_log(data: Path, acks: list[Ack]) -> None:
    """Read the log itself, without the system: each acknowledged contact stands there once."""
    async with servers(data) as running:
        link = await Link.connect(running.nats_url, name="test")
        try:
            async with nats_log(
                link,
                epoch=names.STORY_EPOCH,
                clock=SystemClock(),
                monitor_urls=(running.monitor_url,),
                replicas=1,
            ) as log:
                for ack in acks:
                    stored = await log.read(names.story(TENANT, ack.customer_id))
                    story = [decode_logged(one.payload, one.sequence) for one in stored]
                    check_history(story)
                    found = [
                        event.contact
                        for one in story
                        for event in one.record.events
                        if isinstance(event, ContactReceived)
                    ]
                    assert [ack.customer_id + own for own in found] == [ack.contact_id]
        finally:
            with suppress(Exception):
                await link.close()
