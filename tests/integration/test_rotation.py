"""Rotation on a real NATS: what its files still hold opens with no key, and kills cost none."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.test_cli import COMMAND, environment, run
from tests.servers import eventually
from toldonce.kernel.keyref import KeyRef
from toldonce.runtime import secrets
from toldonce.runtime.cipher import Unreadable, unwrap
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import log_of
from toldonce.runtime.key_blocks import place, unpack
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.names import KEYS, block_key
from toldonce.runtime.nats_link import Link
from toldonce.runtime.table import Table, open_table

KNOWN = 5_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "nats").mkdir()
    secrets.make(tmp_path / "secrets")
    return tmp_path


@asynccontextmanager
async def table_of(data: Path) -> AsyncIterator[Table]:
    async with log_of(data) as url:
        link = await Link.connect(url, name="ownership")
        try:
            yield await open_table(link, KEYS)
        finally:
            await link.close()


async def drawn(data: Path, count: int) -> dict[KeyRef, bytes]:
    async with table_of(data) as table:
        ring = KeyRing(table, secrets.load(data / "secrets"), SystemClock())
        known = dict([await ring.take("demo") for _ in range(count)])
        await ring.close()
    return known


async def readable(data: Path, known: dict[KeyRef, bytes]) -> dict[KeyRef, bytes | None]:
    async with table_of(data) as table:
        ring = KeyRing(table, secrets.load(data / "secrets"), SystemClock())
        return {ref: await ring.find("demo", ref) for ref in known}


def holders(data: Path, what: bytes) -> list[Path]:
    files = (path for path in data.rglob("*") if path.is_file())
    return [path for path in files if what in path.read_bytes()]


async def test_destroyed_key_lingers_in_the_files_of_nats_and_opens_with_nothing_there_is(
    data: Path,
) -> None:
    known = await drawn(data, 600)
    gone = next(iter(known))
    old = secrets.load(data / "secrets").kek
    async with table_of(data) as table:
        row = await table.get(block_key("demo", gone.block))
        assert row is not None
        entry = unpack(row.value)[1][gone.index]
        ring = KeyRing(table, secrets.load(data / "secrets"), SystemClock())
        await ring.forget("demo", [gone])
    where = place("demo", gone.block, gone.index)
    assert unwrap(old, entry, where) == known[gone]
    assert holders(data, entry), "NATS keeps what it replaced: this is why keys are rotated"
    done = await run("rotate-keys", "--data", data, "--json")
    assert done.code == 0, done.err
    assert await readable(data, known) == {**known, gone: None}
    assert not holders(data, old)
    assert not holders(data, old.hex().encode())
    assert not holders(data, known[gone])
    for kek in secrets.load(data / "secrets").keks.values():
        with pytest.raises(Unreadable):
            unwrap(kek, entry, where)


async def test_rotation_killed_with_its_process_is_finished_by_the_next(data: Path) -> None:
    known = await drawn(data, KNOWN)
    for wait_s in (0.0, 0.05, 0.15):
        before = _count(data)
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "rotate-keys",
            "--data",
            str(data),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
        )
        await eventually(lambda: process.returncode is not None or _count(data) > before)  # noqa: B023
        await asyncio.sleep(wait_s)
        if process.returncode is None:
            process.kill()
        await process.wait()
        assert await readable(data, known) == known
    done = await run("rotate-keys", "--data", data, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["unreadable_blocks"] == 0
    assert _count(data) == 1
    assert await readable(data, known) == known


async def test_cluster_wraps_anew_under_the_key_of_its_secret_and_destroys_none(data: Path) -> None:
    known = await drawn(data, 600)
    folder = data / "secrets"
    secrets.write_once(folder / "kek-20260301t120000.key", "ab" * 32)
    folder.chmod(0o500)  # as a secret is mounted
    async with log_of(data) as url:
        more = {
            "TOLDONCE_NATS": url,
            "TOLDONCE_SECRETS": str(folder),
            "TOLDONCE_REPLICAS": "1",
        }
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "rotate-keys",
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment(), **more},
        )
        out, err = await process.communicate()
    folder.chmod(0o700)
    assert process.returncode == 0, err
    figures = json.loads(out)
    assert figures["kek_id"] == "20260301t120000"
    assert (figures["destroyed"], figures["unreadable_blocks"]) == ([], 0)
    assert figures["rewrapped"] == figures["blocks"] > 0
    assert _count(data) == 2
    (folder / "kek-1.key").unlink()
    assert await readable(data, known) == known


async def test_folder_in_which_nothing_was_kept_is_named(tmp_path: Path) -> None:
    done = await run("rotate-keys", "--data", tmp_path)
    assert done.code == 2
    assert "is not the data folder" in done.err


def _count(data: Path) -> int:
    return len(list((data / "secrets").glob("kek-*")))
