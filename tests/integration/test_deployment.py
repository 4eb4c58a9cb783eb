"""As in a cluster: a process a service, each held to its own NATS user, and a story through all."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import pytest

from loadtests import material
from toldonce.api.config.v1 import config_pb2
from toldonce.cli.serve import Service
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.seen import Offer
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import secrets
from toldonce.runtime.auth import issue
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import embedded, nats_binary
from toldonce.runtime.permissions import nats_users

TENANT = "demo"
WITHIN_S = 30.0
COMMAND = "import sys; from toldonce.cli.main import main; sys.argv[0] = 'toldonce'; main()"


class Cluster:
    """Five processes and the servers they share."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.monitor_port = free_port(), free_port()
        self.secrets = secrets.make(folder / "secrets")
        self.ports = {service.value: (free_port(), free_port()) for service in Service}

    def client(self, service, role, subject):
        token = issue(self.secrets, Principal(TENANT, role, subject), SystemClock())
        return Client(f"127.0.0.1:{self.ports[service][0]}", token)

    def violations(self):
        log = (self.folder / "nats-server.log").read_text()
        return [line for line in log.splitlines() if "Violation" in line]

    def nats(self):
        users = [user | {"password": f"of-{user['user']}"} for user in nats_users()]
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

    def environment(self, user, store_url):
        return {
            "TOLDONCE_NATS": f"nats://127.0.0.1:{self.port}",
            "TOLDONCE_NATS_MONITOR": f"http://127.0.0.1:{self.monitor_port}",
            "TOLDONCE_NATS_USER": user,
            "TOLDONCE_NATS_PASSWORD": f"of-{user}",
            "TOLDONCE_REDIS": store_url,
            "TOLDONCE_REPLICAS": "1",
            "TOLDONCE_SECRETS": str(self.folder / "secrets"),
        }

    def service(self, name, store_url):
        port, metrics_port = self.ports[name]
        return Child(
            name,
            [sys.executable, "-c", COMMAND, "serve", name],
            folder=self.folder,
            ready=lambda: answers(metrics_port, "/health/ready"),
            ready_s=WITHIN_S,
            environment={
                **self.environment(name, store_url),
                "TOLDONCE_PORT": str(port),
                "TOLDONCE_METRICS_PORT": str(metrics_port),
            },
        )

    async def set_up(self):
        job = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "toldonce.runtime.setup",
            env=self.environment("setup", ""),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await job.communicate()
        assert job.returncode == 0, said.decode()


async def answers(port, page):
    """Whether a page on loopback says 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


@pytest.fixture
async def cluster(tmp_path):
    made = Cluster(tmp_path)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(embedded(tmp_path / "store"))
        nats = made.nats()
        stack.push_async_callback(nats.stop)
        await nats.start()
        await made.set_up()
        services = [made.service(service.value, store.store_url) for service in Service]
        for service in services:
            stack.push_async_callback(service.stop)
        await asyncio.gather(*(service.start() for service in services))
        yield made


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
