"""The measured process: `python -m loadtests.server bare|house --data DIR`, started by `children`.

It says in `DIR/ready.json` where it listens, runs until TERM, and profiles itself from one SIGUSR1
to the next, into `DIR/profile-<n>.pstats`.
"""

import argparse
import asyncio
import cProfile
import json
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from loadtests import bare, material
from toldonce.cli.house import house
from toldonce.kernel.principal import Role
from toldonce.runtime.app import run
from toldonce.runtime.embedded import Embedded, embedded
from toldonce.runtime.logs import set_up_logging

_GRACE_S = 1.0


def main() -> None:
    """Be one of the two."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.server")
    parser.add_argument("kind", choices=("bare", "house"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--append-bytes", type=int, default=bare.APPEND_BYTES)
    asked = parser.parse_args()
    set_up_logging(level="warning", pretty=False)
    if asked.kind == "bare":
        run(_bare(asked.data, asked.append_bytes))
    else:
        run(_house(asked.data))


async def _bare(data: Path, append_bytes: int) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(embedded(data))
        link, server, address = await bare.serve(servers.nats_url, append_bytes)
        stack.push_async_callback(link.close)
        stack.push_async_callback(server.stop, _GRACE_S)
        _profile_on_signal(data)
        _say_ready(data, {"address": address}, servers)
        await stopping.wait()


async def _house(data: Path) -> None:
    async with house(data, document=material.document()) as running:
        agents = {name: running.token(Role.AGENT, name) for name in material.AGENTS}
        said = {
            "address": running.address,
            "gateway": running.token(Role.GATEWAY, material.GATEWAY),
            "agents": agents,
        }
        _profile_on_signal(data)
        _say_ready(data, said, running.servers)
        await running.app.wait()


def _say_ready(data: Path, said: Mapping[str, object], servers: Embedded) -> None:
    pids = {"server": os.getpid(), "nats": servers.nats.pid, "valkey": servers.valkey.pid}
    draft = data / "ready.draft"
    draft.write_text(json.dumps({**said, "nats_url": servers.nats_url, "pids": pids}))
    draft.replace(data / "ready.json")


def _profile_on_signal(data: Path) -> None:
    taken: list[cProfile.Profile] = []
    running: list[cProfile.Profile] = []

    def toggle() -> None:
        if running:
            profile = running.pop()
            profile.disable()
            taken.append(profile)
            draft = data / "profile.draft"
            profile.dump_stats(draft)
            draft.replace(data / f"profile-{len(taken)}.pstats")
        else:
            running.append(cProfile.Profile())
            running[0].enable()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, toggle)


if __name__ == "__main__":
    main()
