"""A process of ours over real gRPC: who gets in, what is refused and how, and how it ends."""

import asyncio
import inspect
import json
import logging
import os
import signal
from contextlib import asynccontextmanager

import grpc
import pytest
import structlog
import trustme
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from toldonce.api.config.v1 import config_pb2, config_pb2_grpc
from toldonce.api.intake.v1 import intake_pb2, intake_pb2_grpc
from toldonce.api.routing.v1 import routing_pb2, routing_pb2_grpc
from toldonce.client.channel import Client, ClientTls
from toldonce.kernel.errors import (
    Conflict,
    Denied,
    Exhausted,
    Invalid,
    Missing,
    Rejected,
    Unauthenticated,
    Unavailable,
    Unbuilt,
)
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import secrets
from toldonce.runtime.app import App, Crashed
from toldonce.runtime.auth import current_principal, issue
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.front import Limits
from toldonce.runtime.listening import Listen, Tls
from toldonce.runtime.logs import set_up_logging
from toldonce.runtime.rpc import Broken, from_call_error

CLOCK = SystemClock()
CONFIG = config_pb2.DESCRIPTOR.services_by_name["ConfigService"]
ROUTING = routing_pb2.DESCRIPTOR.services_by_name["RoutingService"]
INTAKE = intake_pb2.DESCRIPTOR.services_by_name["IntakeService"]
GET = "/toldonce.api.config.v1.ConfigService/GetConfig"
APPLY = "/toldonce.api.config.v1.ConfigService/ApplyConfig"
REFUSALS = {
    "invalid": Invalid("queues[0].name", "there are two of this name"),
    "rejected": Rejected("FROZEN", "not now"),
    "missing": Missing("config", "nothing is stored yet"),
    "conflict": Conflict("somebody was first", 7),
    "unavailable": Unavailable("NATS is away", retry_s=0.5, operation_id="op1"),
    "exhausted": Exhausted("the disk is full"),
}


class Config(config_pb2_grpc.ConfigServiceServicer):
    """Answers by what it is asked: who asks, or the refusal of that name."""

    async def ApplyConfig(self, request, context):  # noqa: N802 - gRPC names it
        said = request.yaml
        if said in REFUSALS:
            raise REFUSALS[said]
        if said == "fault":
            raise ValueError("jane@example.org said something")
        if said == "hang":
            await asyncio.Event().wait()
        return config_pb2.ApplyConfigResponse(revision=len(said))

    async def GetConfig(self, request, context):  # noqa: N802 - gRPC names it
        who = current_principal()
        return config_pb2.GetConfigResponse(yaml=f"{who.tenant} {who.role.name} {who.subject}")


class Routing(routing_pb2_grpc.RoutingServiceServicer):
    """Sessions that answer each message, and end when the process drains if they are polite."""

    def __init__(self, draining, *, polite=True):
        self.draining = draining
        self.polite = polite
        self.ended = []

    async def AgentSession(self, request_iterator, context):  # noqa: N802 - gRPC names it
        who = current_principal()
        try:
            async for _ in request_iterator:
                yield routing_pb2.AgentSessionResponse()
        finally:
            self.ended.append(who.subject)

    async def WatchQueues(self, request, context):  # noqa: N802 - gRPC names it
        yield routing_pb2.WatchQueuesResponse()
        if self.polite:
            await self.draining.wait()
            raise Unavailable("draining: ask another", retry_s=0.1)
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def json_lines():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logging(pretty=False)
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return secrets.make(tmp_path_factory.mktemp("secrets"))


def token(kept, role, subject="someone", tenant="demo", **more):
    return issue(kept, Principal(tenant, role, subject), CLOCK, **more)


@asynccontextmanager
async def running(kept, *, polite=True, listen=None, **options):
    async with App(
        listen or Listen(port=0, metrics_port=0), kept, CLOCK, grace_s=3.0, **options
    ) as app:
        routing = Routing(app.draining, polite=polite)
        app.add_grpc(
            CONFIG,
            lambda server: config_pb2_grpc.add_ConfigServiceServicer_to_server(Config(), server),
        )
        app.add_grpc(
            ROUTING,
            lambda server: routing_pb2_grpc.add_RoutingServiceServicer_to_server(routing, server),
        )
        app.add_grpc(
            INTAKE,
            lambda server: intake_pb2_grpc.add_IntakeServiceServicer_to_server(
                intake_pb2_grpc.IntakeServiceServicer(), server
            ),
        )
        await app.start()
        yield app, routing


@pytest.fixture
async def app(kept):
    async with running(kept) as (app, _):
        yield app


@pytest.fixture
async def admin(app, kept):
    async with Client(app.address, token(kept, Role.ADMIN, "root")) as client:
        yield client


async def raw(app, method, data, bearer=None):
    metadata = (("authorization", f"Bearer {bearer}"),) if bearer else ()
    async with grpc.aio.insecure_channel(app.address) as channel:
        return await channel.unary_unary(method)(data, metadata=metadata, timeout=5)


def details(error, kind):
    whole = dict(error.trailing_metadata())["grpc-status-details-bin"]
    for packed in Status.FromString(whole).details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None


async def http(address, path, method="GET"):
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def test_a_caller_is_who_the_token_says_and_not_who_came_before(app, kept):
    for tenant, subject in (("demo", "root"), ("other", "boss"), ("demo", "root")):
        bearer = token(kept, Role.ADMIN, subject, tenant)
        async with Client(app.address, bearer) as client:
            got = await client.config.GetConfig(config_pb2.GetConfigRequest())
            assert got.yaml == f"{tenant} ADMIN {subject}"


async def test_a_caller_without_a_good_token_is_told_so(app, kept):
    tries = {"": Unauthenticated, "nonsense": Unauthenticated}
    tries[token(kept, Role.ADMIN, life_s=-1)] = Unauthenticated
    tries[token(kept, Role.AGENT)] = Denied
    for bearer, refusal in tries.items():
        async with Client(app.address, bearer) as client:
            with pytest.raises(refusal):
                await client.config.ApplyConfig(config_pb2.ApplyConfigRequest())


async def test_a_stream_without_a_good_token_is_told_so(app, kept):
    async with Client(app.address, "") as client:
        with pytest.raises(Unauthenticated):
            async for _ in client.routing.AgentSession(iter(())):
                pass


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_reaches_the_caller_as_it_was_said(admin, name):
    wanted = REFUSALS[name]
    with pytest.raises(type(wanted)) as refused:
        await admin.config.ApplyConfig(config_pb2.ApplyConfigRequest(yaml=name))
    assert str(refused.value) == str(wanted)
    assert vars(refused.value) == vars(wanted)


async def test_a_fault_tells_the_caller_an_id_and_the_log_where_but_nobody_the_words(admin, capsys):
    with pytest.raises(Broken) as refused:
        await admin.config.ApplyConfig(config_pb2.ApplyConfigRequest(yaml="fault"))
    assert refused.value.incident_id in str(refused.value)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line["event"] == "fault in a call"]
    assert line["incident_id"] == refused.value.incident_id
    assert line["error"] == "ValueError"
    assert line["tenant"] == "demo"
    assert "jane" not in json.dumps(lines) + str(refused.value)


async def test_a_call_the_design_has_and_this_version_has_not_says_unimplemented(app, kept):
    unbuilt = f"/{INTAKE.full_name}/ListIncidents"
    with pytest.raises(Unbuilt, match="not built in this version"):
        await refusing(app, unbuilt, b"", token(kept, Role.SUPERVISOR))
    with pytest.raises(Denied):
        await refusing(app, unbuilt, b"", token(kept, Role.ADMIN))
    with pytest.raises(Unauthenticated):
        await refusing(app, unbuilt, b"")
    with pytest.raises(Unbuilt):
        await refusing(app, f"/{ROUTING.full_name}/NoSuchCall", b"")


async def refusing(app, method, data, bearer=None):
    try:
        return await raw(app, method, data, bearer)
    except grpc.aio.AioRpcError as error:
        raise from_call_error(error) from None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"\x0a\x05ab",
        b"\x0a\x02\xc3\x28",
        b"\x0a\x03\xed\xa0\x80",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0b",
        b"\x00",
    ],
)
async def test_bytes_that_are_no_message_are_an_invalid_argument_with_a_sentence(app, kept, data):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await raw(app, APPLY, data, token(kept, Role.ADMIN))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = details(refused.value, error_details_pb2.BadRequest)
    assert bad.field_violations[0].field == "ApplyConfigRequest"
    assert "UTF-8" in bad.field_violations[0].description
    assert details(refused.value, error_details_pb2.ErrorInfo).reason == "INVALID"


async def test_a_field_this_version_does_not_know_is_named(app, kept):
    known = config_pb2.ApplyConfigRequest(yaml="x").SerializeToString()
    with pytest.raises(Invalid) as refused:
        await refusing(app, APPLY, known + b"\x9a\x3f\x01z", token(kept, Role.ADMIN))
    assert refused.value.problems[0].field == "ApplyConfigRequest.1011"


async def test_a_message_written_in_an_unusual_way_is_taken(app, kept):
    twice = config_pb2.ApplyConfigRequest(yaml="first").SerializeToString()
    twice += config_pb2.ApplyConfigRequest(yaml="second!").SerializeToString()
    answer = await raw(app, APPLY, twice, token(kept, Role.ADMIN))
    assert config_pb2.ApplyConfigResponse.FromString(answer).revision == 7


async def test_a_message_that_is_too_large_is_refused_and_the_server_stays(app, admin):
    with pytest.raises(Exhausted):
        await admin.config.ApplyConfig(config_pb2.ApplyConfigRequest(yaml="x" * 300_000))
    await admin.config.GetConfig(config_pb2.GetConfigRequest())


async def test_a_service_may_take_larger_messages_than_the_others(kept):
    async with App(Listen(port=0, metrics_port=None), kept, CLOCK) as app:
        app.add_grpc(
            CONFIG,
            lambda server: config_pb2_grpc.add_ConfigServiceServicer_to_server(Config(), server),
            message_bytes_max=1_000_000,
        )
        app.add_grpc(
            ROUTING,
            lambda server: routing_pb2_grpc.add_RoutingServiceServicer_to_server(
                Routing(app.draining), server
            ),
        )
        await app.start()
        async with Client(app.address, token(kept, Role.ADMIN)) as client:
            large = config_pb2.ApplyConfigRequest(yaml="x" * 900_000)
            assert (await client.config.ApplyConfig(large)).revision == 900_000
        bearer = token(kept, Role.SUPERVISOR)
        with pytest.raises(Invalid, match="at most 262144"):
            await refusing(app, f"/{ROUTING.full_name}/ListQueues", b"x" * 300_000, bearer)


async def test_one_bad_message_ends_its_stream_with_a_sentence_and_no_other(app, kept):
    bearer = token(kept, Role.AGENT, "ann")
    async with Client(app.address, bearer) as client:
        good = client.routing.AgentSession()
        await good.write(routing_pb2.AgentSessionRequest())
        await good.read()
        bad = client.channel.stream_stream(f"/{ROUTING.full_name}/AgentSession")(
            metadata=(("authorization", f"Bearer {bearer}"),)
        )
        await bad.write(routing_pb2.AgentSessionRequest().SerializeToString())
        await bad.read()
        await bad.write(b"\xff\xff")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await bad.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        await good.write(routing_pb2.AgentSessionRequest())
        await good.read()
        await good.done_writing()
        assert await good.read() is grpc.aio.EOF


async def test_a_call_without_a_deadline_gets_one(kept):
    async with running(kept, limits=Limits(deadline_s=0.1)) as (app, _):
        with pytest.raises(grpc.aio.AioRpcError) as late:
            async with grpc.aio.insecure_channel(app.address) as channel:
                await channel.unary_unary(APPLY)(
                    config_pb2.ApplyConfigRequest(yaml="hang").SerializeToString(),
                    metadata=(("authorization", f"Bearer {token(kept, Role.ADMIN)}"),),
                )
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_caller_that_gives_up_hears_that_it_may_have_happened(app, kept):
    async with Client(app.address, token(kept, Role.ADMIN), deadline_s=0.2) as client:
        with pytest.raises(Unavailable):
            await client.config.ApplyConfig(config_pb2.ApplyConfigRequest(yaml="hang"))


async def test_nobody_there_is_unavailable(app, kept):
    async with Client("127.0.0.1:1", token(kept, Role.ADMIN)) as client:
        with pytest.raises(Unavailable):
            await client.config.GetConfig(config_pb2.GetConfigRequest())


async def test_health_and_reflection_answer_anybody(app):
    async with grpc.aio.insecure_channel(app.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", CONFIG.full_name, ROUTING.full_name):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = [reflection_pb2.ServerReflectionRequest(list_services="")]
        async for answer in stub.ServerReflectionInfo(iter(ask)):
            named = {each.name for each in answer.list_services_response.service}
        assert {CONFIG.full_name, ROUTING.full_name, "grpc.health.v1.Health"} <= named
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/grpc.channelz.v1.Channelz/GetServers")(b"")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_metrics_page_counts_calls_by_method_and_code(app, admin):
    await admin.config.GetConfig(config_pb2.GetConfigRequest())
    with pytest.raises(Missing):
        await admin.config.ApplyConfig(config_pb2.ApplyConfigRequest(yaml="missing"))
    status, page = await http(app.metrics_address, "/metrics")
    assert status == 200
    assert f'toldonce_rpc_seconds_count{{code="OK",method="{GET}"}} 1.0' in page
    assert f'toldonce_rpc_seconds_count{{code="NOT_FOUND",method="{APPLY}"}} 1.0' in page


async def test_probes_say_alive_and_ready_with_the_reason_when_not(app):
    why = []
    app.add_check(lambda: why[0] if why else None)
    assert (await http(app.metrics_address, "/health/live"))[0] == 200
    assert await http(app.metrics_address, "/health/ready") == (200, "ready\n")
    why.append("the log has stopped")
    assert await http(app.metrics_address, "/health/ready") == (503, "the log has stopped\n")
    assert (await http(app.metrics_address, "/else"))[0] == 404
    assert (await http(app.metrics_address, "/metrics", "POST"))[0] == 405
    assert (await http(app.metrics_address, "/" + "x" * 20_000))[0] == 431


async def test_a_draining_process_ends_its_streams_quickly_and_in_order(kept):
    async with running(kept) as (app, routing):
        client = Client(app.address, token(kept, Role.SUPERVISOR))
        agent = Client(app.address, token(kept, Role.AGENT, "ann"))
        watching = client.routing.WatchQueues(routing_pb2.WatchQueuesRequest())
        await watching.read()
        session = agent.routing.AgentSession()
        await session.write(routing_pb2.AgentSessionRequest())
        await session.read()
        at = asyncio.get_running_loop().time()
    took_s = asyncio.get_running_loop().time() - at
    with pytest.raises(Unavailable, match="draining: ask another"):
        await watching.read()
    with pytest.raises(Unavailable, match="going away"):
        await session.read()
    assert routing.ended == ["ann"]
    assert took_s < 2.0
    await client.close()
    await agent.close()


async def test_streams_that_do_not_end_themselves_are_ended(kept):
    limits = Limits(linger_s=0.1)
    async with running(kept, polite=False, limits=limits) as (app, _):
        client = Client(app.address, token(kept, Role.SUPERVISOR))
        watching = client.routing.WatchQueues(routing_pb2.WatchQueuesRequest())
        await watching.read()
        channel = grpc.aio.insecure_channel(app.address)
        probing = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await probing.read()
        at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - at < 1.0
    with pytest.raises(Unavailable, match="going away"):
        await watching.read()
    assert (await probing.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    await client.close()
    await channel.close()


async def test_a_task_that_fails_ends_the_process_naming_it(kept):
    closed = []

    @asynccontextmanager
    async def adapter(name):
        yield name
        closed.append(name)

    async def fails():
        raise Unavailable("the log was made anew")

    async def runs():
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("task")

    async def process():
        async with App(Listen(port=0, metrics_port=0), kept, CLOCK) as app:
            await app.enter(adapter("first"))
            await app.enter(adapter("second"))
            await app.start()
            app.spawn("other", runs())
            app.spawn("timers", fails())
            await app.wait()

    with pytest.raises(Crashed, match="timers failed: the log was made anew"):
        await process()
    assert closed == ["task", "second", "first"]


async def test_a_process_ends_when_it_is_asked(kept):
    async with App(Listen(port=0, metrics_port=None), kept, CLOCK) as app:
        await app.start()
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await app.wait()


async def test_a_taken_port_is_a_sentence(kept, app):
    taken = Listen(port=int(app.address.split(":")[1]), metrics_port=None)
    async with App(taken, kept, CLOCK) as second:
        with pytest.raises(Invalid, match="cannot listen on"):
            await second.start()


async def test_mutual_tls_lets_in_only_who_shows_a_certificate(kept, tmp_path):
    ca = trustme.CA()
    ours, theirs = ca.issue_cert("127.0.0.1"), ca.issue_cert("gateway.example")
    for name, blob in (
        ("ca.pem", ca.cert_pem),
        ("our.pem", ours.cert_chain_pems[0]),
        ("our.key", ours.private_key_pem),
        ("their.pem", theirs.cert_chain_pems[0]),
        ("their.key", theirs.private_key_pem),
    ):
        blob.write_to_path(tmp_path / name)
    tls = Tls(tmp_path / "our.pem", tmp_path / "our.key", tmp_path / "ca.pem")
    shown = ClientTls(tmp_path / "ca.pem", tmp_path / "their.pem", tmp_path / "their.key")
    bearer = token(kept, Role.ADMIN)
    async with running(kept, listen=Listen(port=0, metrics_port=None, tls=tls)) as (app, _):
        async with Client(app.address, bearer, tls=shown) as client:
            got = await client.config.GetConfig(config_pb2.GetConfigRequest())
            assert got.yaml.startswith("demo ADMIN")
        credentials = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())
        for channel in (
            grpc.aio.secure_channel(app.address, credentials),
            grpc.aio.insecure_channel(app.address),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(GET)(b"", timeout=3)
            assert refused.value.code() in {
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
            }
            await channel.close()


async def test_work_that_never_began_when_the_process_ends_leaves_nothing_behind(kept):
    begun = []

    async def work() -> None:
        begun.append(True)

    made = work()
    async with App(Listen(port=0, metrics_port=None), kept, CLOCK) as app:
        app.spawn("late", made)
    assert not begun
    assert inspect.getcoroutinestate(made) == inspect.CORO_CLOSED
