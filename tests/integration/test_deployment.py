"""As in a cluster: a process a service, each held to its own NATS user, and a story through all."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from loadtests import material
from loadtests.fleet import Servers, answers, process
from tests.servers import eventually
from toldonce.api.config.v1 import config_pb2
from toldonce.cli.serve import Service
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.seen import Offer
from toldonce.kernel.ids import encode
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import secrets
from toldonce.runtime.alarms import open_alarms
from toldonce.runtime.auth import issue
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import embedded, nats_binary
from toldonce.runtime.nats_link import Link
from toldonce.runtime.permissions import nats_users
from toldonce.sla.handler import Plan, ScheduledTimers, Settled

TENANT = "demo"
WITHIN_S = 30.0


class Cluster:
    """Five processes and the servers they share."""

    def __init__(self, folder, store_url):
        self.folder = folder
        self.port, self.monitor_port = free_port(), free_port()
        self.secrets = secrets.make(folder / "secrets")
        self.servers = Servers(
            nats_url=f"nats://127.0.0.1:{self.port}",
            monitor_url=f"http://127.0.0.1:{self.monitor_port}",
            store_url=store_url,
            secrets=folder / "secrets",
            tenant=TENANT,
            logins={user["user"]: f"of-{user['user']}" for user in nats_users()},
        )
        self.services = {one.value: process(one.value, self.servers, folder) for one in Service}

    def client(self, service, role, subject):
        token = issue(self.secrets, Principal(TENANT, role, subject), SystemClock())
        return Client(self.services[service].address, token)

    def violations(self):
        log = (self.folder / "nats-server.log").read_text()
        return [line for line in log.splitlines() if "Violation" in line]

    def nats(self):
        logins = self.servers.logins
        users = [user | {"password": logins[user["user"]]} for user in nats_users()]
        config = {
            "server_name": "n0",
            "listen": f"127.0.0.1:{self.port}",
            "http": f"127.0.0.1:{self.monitor_port}",
            "jetstream": {"store_dir": "jetstream", "sync_interval": "always"},
            "authorization": {"users": users},
        }
        (self.folder / "nats.conf").write_text(json.dumps(config))
        return Child(
            "nats-server",
            [nats_binary(), "-c", "nats.conf"],
            folder=self.folder,
            ready=lambda: answers(self.monitor_port, "/healthz"),
        )

    async def set_up(self):
        job = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "toldonce.runtime.setup",
            env=self.servers.environment("setup"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await job.communicate()
        assert job.returncode == 0, said.decode()


@pytest.fixture
async def cluster(tmp_path):
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(embedded(tmp_path / "store"))
        made = Cluster(tmp_path, store.store_url)
        nats = made.nats()
        stack.push_async_callback(nats.stop)
        await nats.start()
        await made.set_up()
        services = [one.child for one in made.services.values()]
        for service in services:
            stack.push_async_callback(service.stop)
        await asyncio.gather(*(service.start() for service in services))
        yield made


async def test_sla_keeps_timers_on_jetstream_by_its_own_rights(tmp_path):
    made = Cluster(tmp_path, "redis://127.0.0.1:1/0")
    nats = made.nats()
    await nats.start()
    try:
        await made.set_up()
        login = {"user": "sla", "password": made.servers.logins["sla"]}
        link = await Link.connect(made.servers.nats_url, name="sla", options=login)
        timers = ScheduledTimers(await open_alarms(link), "one", margin_s=0.0)
        await timers.begin()
        now = SystemClock().now()
        instants = (("now", now), ("soon", now + timedelta(seconds=0.5)))
        assert await timers.plan([Plan(TENANT, encode(bytes(16)), 1, 1, instants)]) == 2
        out = []

        async def all_out():
            claimed = (await timers.claim(5)).leased
            out.extend(one.own for one in claimed)
            assert await timers.settle([Settled(one) for one in claimed]) == len(claimed)
            return len(out) == 2

        await eventually(all_out)
        assert await timers.plan([Plan(TENANT, encode(bytes(16)), 2, 1, ())]) == 0
        await link.close()
    finally:
        await nats.stop()
    assert out == ["now", "soon"]
    assert not made.violations()


@pytest.mark.timeout(180)
async def test_a_story_goes_through_five_processes_that_may_do_only_what_is_their_own(cluster):
    agent = material.AGENTS[0]
    async with cluster.client("config", Role.ADMIN, "boss") as boss:
        document = config_pb2.ApplyConfigRequest(yaml=material.document())
        await boss.config.ApplyConfig(document)
    async with (
        cluster.client("intake", Role.GATEWAY, material.GATEWAY) as gateway,
        cluster.client("routing", Role.AGENT, agent) as seat,
        cluster.client("ownership", Role.AGENT, agent) as desk,
    ):
        contact = material.contact(0, material.SERVED)
        ack = await gateway.intake.SubmitContact(contact, timeout=WITHIN_S)
        async with AgentSession(seat, agent) as session, asyncio.timeout(WITHIN_S):
            offer = await anext(told async for told in session.news() if isinstance(told, Offer))
            assert offer.case_id == ack.fixed.case_id
            assert (await session.accept(offer)).case.owner == agent
            seat.ownership = desk.ownership
            closed = await session.close_case(offer.case_id, material.DISPOSITION)
        again = await gateway.intake.SubmitContact(contact, timeout=WITHIN_S)
    assert closed.closed
    assert again.repeat
    assert again.fixed == ack.fixed
    assert not cluster.violations()
