"""The embedded servers start fast, say why they ended, and never outlive us."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.servers import eventually, servers
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.embedded import embedded

_PARENT = """
import asyncio, pathlib, sys
from toldonce.runtime.embedded import embedded

async def main():
    async with embedded(pathlib.Path(sys.argv[1])) as running:
        print(running.nats.pid, running.valkey.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_both_servers_are_ready_in_well_under_two_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    async with servers(tmp_path) as running:
        assert time.monotonic() - started < 2.0
        assert running.nats.pid
        assert running.valkey.pid


async def test_servers_keep_given_ports_and_their_data_over_a_restart(tmp_path: Path) -> None:
    port = free_port()
    async with embedded(tmp_path, nats_port=port) as running:
        assert running.nats_url.endswith(f":{port}")
        first = running.nats.pid
        await running.nats.kill()
        await running.nats.start()
        assert running.nats.pid != first


async def test_a_server_that_ends_early_is_noticed_with_the_tail_of_its_log(tmp_path: Path) -> None:
    async with servers(tmp_path) as running:
        assert running.valkey.pid
        waiting = asyncio.create_task(running.failed())
        os.kill(running.valkey.pid, signal.SIGTERM)
        async with asyncio.timeout(5):
            sentence = await waiting
    assert "valkey-server ended by itself" in sentence
    assert "ready to exit" in sentence


async def test_a_server_that_cannot_start_is_shown_with_its_last_words(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    child = Child("sick", ["/bin/sh", "-c", "echo no disk; exit 3"], folder=tmp_path, ready=never)
    with pytest.raises(Unavailable, match=r"(?s)sick ended by itself with code 3.*no disk"):
        await child.start()


async def test_a_server_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    child = Child("slow", ["/bin/sleep", "60"], folder=tmp_path, ready=never, ready_s=0.1)
    with pytest.raises(Unavailable, match="slow was not ready"):
        await child.start()
    assert child.pid is None


async def test_a_server_deaf_to_term_is_killed(tmp_path: Path) -> None:
    async def listening() -> bool:
        return "ready" in child.tail()

    deaf = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    child = Child("deaf", ["/bin/sh", "-c", deaf], folder=tmp_path, ready=listening)
    await child.start()
    await child.stop(grace_s=0.1)
    assert child.pid is None


@pytest.mark.parametrize("launcher", ["setpriv", "python"])
@pytest.mark.parametrize("last_word", [signal.SIGTERM, signal.SIGKILL])
async def test_a_killed_parent_leaves_no_orphan_and_its_folder_can_be_used_again(
    tmp_path: Path, last_word: signal.Signals, launcher: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": "services"}
    if launcher == "python":
        environment["PATH"] = ""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PARENT,
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert parent.stdout is not None
    pids = [int(word) for word in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.send_signal(last_word)
    await parent.wait()
    async with servers(tmp_path):
        assert not any(_runs(pid) for pid in pids)


async def test_a_second_system_on_the_same_folder_waits_and_then_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toldonce.runtime.embedded._LOCK_S", 0.2)
    async with servers(tmp_path):
        with pytest.raises(Unavailable, match="in use by another running system"):
            async with servers(tmp_path):
                pass
    async with servers(tmp_path) as running:
        await eventually(lambda: running.nats.pid is not None)


def _runs(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return b"server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
