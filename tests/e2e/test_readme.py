"""The tour and the gateway of the README, run as they are pasted, in a house of their own."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.style.readme import read
from tests.style.tree import ROOT

STARTED = "Ctrl-C stops it"
WITHIN_S = 60.0
ANSWER = "a\nr It comes tomorrow.\nc answered\nq\n"


class Visitor:
    """Somebody who pastes from the README, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_ = folder / "bin"
        bin_.mkdir()
        command = bin_ / "toldonce"
        command.write_text(
            f"#!{sys.executable}\n"
            "import sys\nfrom toldonce.cli.main import main\nsys.argv[0] = 'toldonce'\nmain()\n"
        )
        command.chmod(0o755)
        (folder / "examples").symlink_to(ROOT / "examples")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TOLDONCE_")}
        self.environment = kept | {
            "PATH": f"{bin_}{os.pathsep}{os.environ.get('PATH', '')}",
            "TOLDONCE_PORT": "0",
            "TOLDONCE_METRICS_PORT": "0",
            "PYTHONPATH": str(ROOT / "services"),
        }

    async def start(self, *command: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self.environment, stdin=PIPE, stdout=PIPE, stderr=STDOUT
        )

    async def paste(self, shell: str, typed: str = "") -> str:
        """Run a block, and give what it said; it must end well."""
        process = await self.start("sh", "-ec", shell)
        async with asyncio.timeout(WITHIN_S):
            told, _ = await process.communicate(typed.encode())
        assert process.returncode == 0, told.decode()
        return told.decode()


async def until(process: Process, what: str) -> str:
    """Read what a process says up to a line that holds `what`."""
    heard = ""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        while what not in heard:
            line = await process.stdout.readline()
            assert line, heard
            heard += line.decode()
    return heard


def block(of: str) -> str:
    """The one shell block of the README that holds `of`, without setting up the shell."""
    (found,) = [text for text in read().of("sh") if of in text]
    return found.replace(". .venv/bin/activate\n", "")


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    """Somebody in whose folder `toldonce up` runs as the README says."""
    made = Visitor(tmp_path)
    house = await made.start("sh", "-ec", "exec " + block("toldonce up --config"))
    try:
        await until(house, STARTED)
        yield made
    finally:
        if house.returncode is None:
            house.terminate()
        await house.communicate()


@pytest.mark.timeout(240)
async def test_a_visitor_walks_through_the_tour(visitor: Visitor):
    told = await visitor.paste(block("toldonce submit"))
    case = re.search(r"^case +(\w{52})", told, re.MULTILINE)
    assert case, told
    assert "no agent who speaks en" in told
    anouk = await visitor.paste(block("toldonce agent anouk"))
    assert "Asked queue returns" in anouk
    carla = await visitor.paste(block("toldonce agent carla"))
    assert "Where is my parcel?" in carla
    assert "Late parcel; we said it comes today" in carla
    assert "as the sender had it" in carla
    assert "Closed." in carla
    seen = await visitor.paste(block("toldonce case ID").replace("ID", case[1]))
    assert "carla owns it now (epoch 2)" in seen
    assert "closed: label-sent" in seen
    assert "intake SERVING" in seen
    checked = await visitor.paste(block("toldonce check"))
    assert "In force: policy" in checked


@pytest.mark.timeout(240)
async def test_the_gateway_of_the_readme_tells_once_and_delivers(visitor: Visitor):
    (example,) = read().of("python")
    (visitor.folder / "gateway.py").write_text(example, encoding="utf-8")
    gateway = await visitor.start(sys.executable, "gateway.py")
    try:
        assert "repeat True" in await until(gateway, "case ")
        assert "Closed." in await visitor.paste("toldonce agent anouk", ANSWER)
        assert "kim@example.org" in await until(gateway, "It comes tomorrow.")
    finally:
        gateway.kill()
        await gateway.communicate()
