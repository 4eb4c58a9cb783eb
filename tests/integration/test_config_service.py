"""ConfigService over real gRPC: the path of the key reaches the caller, the roles are kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.linter.impossible import impossible, right, text
from toldonce.api.config.v1 import config_pb2
from toldonce.client.channel import Client
from toldonce.config.bind import bind
from toldonce.kernel.errors import Conflict, Denied, Invalid, Missing, Unauthenticated
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime.app import App
from toldonce.runtime.auth import issue
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import demo_text
from toldonce.runtime.listening import Listen
from toldonce.runtime.secrets import make
from toldonce.runtime.testing.bus import FakeBus
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.zones import WheelZones

APPLY = config_pb2.ApplyConfigRequest


class Service:
    """A running service and what its callers need."""

    def __init__(self, app: App) -> None:
        self._app = app

    def client(self, role: Role, tenant: str = "demo") -> Client:
        token = issue(self._app.secrets, Principal(tenant, role, "ruth"), self._app.clock)
        return Client(self._app.address, token)

    def stranger(self) -> Client:
        return Client(self._app.address, "")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Service]:
    listen = Listen(port=0, metrics_port=None)
    async with App(listen, make(folder), SystemClock(), grace_s=0.1) as app:
        bind(app, table=FakeTable(), bus=FakeBus(), zones=WheelZones())
        await app.start()
        yield Service(app)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running(tmp_path) as service:
        yield service


async def test_admin_applies_and_supervisor_reads(service: Service) -> None:
    async with service.client(Role.ADMIN) as admin, service.client(Role.SUPERVISOR) as supervisor:
        applied = await admin.config.ApplyConfig(APPLY(yaml=demo_text(), expected_revision=0))
        assert applied.revision == 1
        assert "queue vip is reached by handoff only" in applied.warnings
        given = await supervisor.config.GetConfig(config_pb2.GetConfigRequest())
        assert (given.yaml, given.applied_by_subject) == (demo_text(), "ruth")
        assert given.policy_version == applied.policy_version
        assert given.applied_at.seconds > 0


async def test_large_document_gets_through(service: Service) -> None:
    async with service.client(Role.ADMIN) as admin:
        text = demo_text() + "# a long remark\n" * 30_000
        assert (await admin.config.ApplyConfig(APPLY(yaml=text))).revision == 1
        with pytest.raises(Invalid):
            await admin.config.ApplyConfig(APPLY(yaml=text + "#" * 60_000))


async def test_every_wrong_key_is_named_to_the_caller(service: Service) -> None:
    text = demo_text().replace("wrap_up_s", "wrapup_s", 1).replace("cost: 3", "cost: none", 1)
    async with service.client(Role.ADMIN) as admin:
        with pytest.raises(Invalid) as refused:
            await admin.config.ApplyConfig(APPLY(yaml=text))
        fields = {problem.field: problem.sentence for problem in refused.value.problems}
        assert "did you mean wrap_up_s?" in fields["queues[0].wrapup_s"]
        assert fields["channels[0].cost"].startswith("line ")
        with pytest.raises(Missing):
            await admin.config.GetConfig(config_pb2.GetConfigRequest())


async def test_what_can_never_work_is_refused_by_its_key_and_leaves_what_stands(
    service: Service,
) -> None:
    async with service.client(Role.ADMIN) as admin:
        stands = await admin.config.ApplyConfig(APPLY(yaml=text(right())))
        for what, tree, path, says in impossible():
            with pytest.raises(Invalid) as refused:
                await admin.config.ApplyConfig(APPLY(yaml=text(tree)))
            said = {problem.field: problem.sentence for problem in refused.value.problems}
            assert says in said.get(path, ""), (what, said)
        given = await admin.config.GetConfig(config_pb2.GetConfigRequest())
        assert (given.yaml, given.revision) == (text(right()), stands.revision)
        assert given.policy_version == stands.policy_version


async def test_stale_revision_is_a_conflict_that_says_what_stands(service: Service) -> None:
    async with service.client(Role.ADMIN) as admin:
        await admin.config.ApplyConfig(APPLY(yaml=demo_text()))
        with pytest.raises(Conflict) as refused:
            await admin.config.ApplyConfig(APPLY(yaml=demo_text() + "# x", expected_revision=9))
        assert refused.value.current == 1


async def test_agent_and_stranger_may_not_apply(service: Service) -> None:
    async with service.client(Role.AGENT) as agent, service.stranger() as stranger:
        with pytest.raises(Denied):
            await agent.config.ApplyConfig(APPLY(yaml=demo_text()))
        with pytest.raises(Unauthenticated):
            await stranger.config.ApplyConfig(APPLY(yaml=demo_text()))


async def test_another_tenant_sees_nothing(service: Service) -> None:
    async with service.client(Role.ADMIN) as admin, service.client(Role.ADMIN, "other") as other:
        await admin.config.ApplyConfig(APPLY(yaml=demo_text()))
        with pytest.raises(Missing):
            await other.config.GetConfig(config_pb2.GetConfigRequest())


async def test_empty_document_is_refused(service: Service) -> None:
    async with service.client(Role.ADMIN) as admin:
        with pytest.raises(Invalid):
            await admin.config.ApplyConfig(APPLY(yaml=" "))
