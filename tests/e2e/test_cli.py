"""The command line as people use it: real processes, real servers, a pipe where a keyboard is."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import eventually
from toldonce.runtime.document import demo_text

COMMAND = (sys.executable, "-c", "from toldonce.cli.main import main; main()")
FAILED, WRONG_USE = 1, 2
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


def environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLDONCE_")}
    return kept | {"COLUMNS": "200"}


async def run(*words: str | Path, typed: str | None = None, within_s: float = 120) -> Ran:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *map(str, words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate(None if typed is None else typed.encode())
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        pytest.fail(f"{words} did not end: {out.decode()} {err.decode()}")
    ran = Ran(process.returncode or 0, out.decode(), err.decode())
    assert "Traceback" not in ran.err
    return ran


@asynccontextmanager
async def up(data: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`toldonce up` on free ports until the end of the block; it must end in good order."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("up", "--data", str(data), "--port", "0", "--metrics-port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(90):
            while "Ctrl-C stops it." not in said:
                line = await process.stdout.readline()
                assert line, said
                said += line.decode()
        assert "toldonce apply examples/desk.yaml" in said
        assert "toldonce agent anouk" in said
        assert (data / "address").exists()
        yield process
    finally:
        process.terminate()
        rest, _ = await process.communicate()
    assert "Stopped." in rest.decode()
    assert process.returncode == 0
    assert not (data / "address").exists()


async def test_a_demo_keeps_every_promise(tmp_path: Path) -> None:
    ran = await run("demo", "--contacts", "60", "--json", tmp_path / "demo.json", within_s=200)
    told = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert ran.code == 0, ran.out + ran.err
    assert told["contacts_submitted"] == told["contacts_acknowledged"] == 60
    assert told["owned_once"] + told["ended_without_owner"] == 60
    assert told["repeats_sent"] == 3
    assert told["handoffs"] == told["handoffs_context_equal"] >= 2
    nothing = ("duplicates_created", "owned_twice", "unowned", "timers_lost", "timers_early")
    assert {name: told[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert told["timers_fired"] > 0
    assert set(told["promises"]) == {"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P10"}
    assert all(one["kept"] for one in told["promises"].values())
    assert set(told["channels"]) == {"voice", "chat", "email", "social", "shop"}


async def test_a_table_handed_in_twice_creates_nothing_the_second_time(tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    rows = [f"{number},Where is my parcel {number}?" for number in range(40)]
    table.write_text("\n".join(["id,text", *rows]) + "\n", encoding="utf-8")
    words = ("submit", "--embedded", "--data", tmp_path / "data", "--file", table, "--json")
    first, second = await run(*words), await run(*words)
    assert first.code == second.code == 0, first.err + second.err
    told = ("submitted", "acknowledged", "created", "repeated", "owned", "queued", "without_reason")
    assert [first.json[name] for name in told] == [40, 40, 40, 0, 0, 40, 0]
    assert [second.json[name] for name in told] == [40, 40, 0, 40, 0, 40, 0]
    assert all("no agent" in reason for reason in first.json["reasons"])


async def test_a_table_with_a_bad_row_is_refused_before_anything_starts(tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    table.write_text("id,text\n1,hello\n2,\n", encoding="utf-8")
    ran = await run("submit", "--embedded", "--data", tmp_path / "data", "--file", table)
    assert ran.code == WRONG_USE
    assert "row 2: column text is empty" in ran.err
    assert not (tmp_path / "data").exists()


async def test_a_document_is_checked_without_a_system(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(demo_text(), encoding="utf-8")
    bad.write_text(demo_text().replace("skills: {orders: 2}", "skills: {oders: 2}", 1), "utf-8")
    ran = await run("check", good, "--json")
    assert ran.code == 0
    assert ran.json["ok"]
    ran = await run("check", bad, "--json")
    assert ran.code == FAILED
    problem = ran.json["problems"][0]
    assert problem["field"].startswith("queues[")
    assert problem["sentence"].startswith("line ")


async def test_a_command_without_a_system_says_what_to_do(tmp_path: Path) -> None:
    ran = await run("status", "--data", tmp_path)
    assert ran.code == WRONG_USE
    assert "toldonce up" in ran.err
    (tmp_path / "token").write_text("x", encoding="utf-8")
    ran = await run("status", "--address", "127.0.0.1:9", "--token", "x")
    assert ran.code == FAILED
    assert "is `toldonce up` running?" in ran.err


async def test_a_contact_goes_in_and_an_agent_in_the_terminal_closes_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    here = ("--data", data)
    async with up(data):
        text = "I cannot log in any more, my password is not accepted."
        customer = ("--email", "joan@example.org", "--name", "Joan", "--channel", "chat")
        sent = await run("submit", "--text", text, *customer, *here, "--json")
        assert sent.code == 0, sent.err
        assert (sent.json["created"], sent.json["without_reason"]) == (1, 0)
        case_id = sent.json["case_id"]

        typed = "a\nr Here is a new password.\nc answered\nq\n"
        worked = await run("agent", "anouk", *here, typed=typed)
        assert worked.code == 0, worked.err
        assert "OFFER  chat" in worked.out
        assert text in worked.out
        assert worked.out.index("You own") < worked.out.index("Sent.") < worked.out.index("Closed.")

        shown = await run("case", case_id, *here)
        assert shown.code == 0, shown.err
        assert "CLOSED" in shown.out
        assert "Here is a new password." in shown.out
        by_contact = await run("case", sent.json["contact_id"], *here, "--json")
        assert by_contact.json["case"]["disposition"] == "answered"

        state = await run("status", *here, "--json")
        assert state.code == 0, state.err
        assert set(state.json["health"].values()) == {"SERVING"}
        assert {queue["queue"] for queue in state.json["queues"]} >= {"general", "orders"}

        async def counted() -> bool:
            return bool((await run("channels", *here, "--json")).json["sequence"])

        await eventually(counted, within_s=30, poll_s=0.5)
        by_channel = await run("channels", "--window", "24h", *here, "--json")
        (day,) = by_channel.json["windows"]
        chat = {one["figure"]: one for one in day["standings"] if one["channel"] == "chat"}
        assert (chat["first_response"]["count"], chat["first_response"]["unit"]) == (1, "seconds")
        assert (chat["abandoned"]["value"], chat["abandoned"]["gap"]) == (0.0, 0.0)
        people = await run("channels", "--formulas", *here)
        assert people.code == 0, people.err
        assert "answered in time" in people.out
        assert "first answers by a person within the target" in people.out
        refused = await run("channels", "--window", "1y", *here)
        assert (refused.code, "24h or 7d" in refused.err) == (WRONG_USE, True)


async def test_an_agent_in_the_terminal_hands_over_to_another(tmp_path: Path) -> None:
    data = tmp_path / "data"
    here = ("--data", data)
    async with up(data):
        # only sander speaks German, so it can reach tess by his handoff alone
        text = "Ich habe eine Rechnung für eine Uhr bekommen, die ich nicht bestellt habe."
        second = asyncio.create_task(run("agent", "tess", *here, typed="a\nc explained\nq\n"))
        first = asyncio.create_task(
            run("agent", "sander", *here, typed="a\nh agent:tess not mine / it is fraud\nq\n")
        )
        sent = await run("submit", "--text", text, "--account", "LL-1", *here, "--json")
        sander, tess = await first, await second
        assert "the case stays yours until somebody accepts" in sander.out, sander
        assert "handed over by sander" in tess.out, tess
        assert "as the sender had it" in tess.out
        shown = await run("case", sent.json["case_id"], *here, "--json")
        assert shown.json["case"]["hops"] == 1
        assert shown.json["case"]["disposition"] == "explained"


async def test_an_administrator_applies_a_document_and_is_told_what_is_wrong(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    changed, bad = tmp_path / "changed.yaml", tmp_path / "bad.yaml"
    changed.write_text(demo_text().replace("tenant: Lage Landen", "tenant: Hoge Landen"), "utf-8")
    bad.write_text("nonsense: true\n", encoding="utf-8")
    async with up(data):
        refused = await run("apply", bad, "--data", data)
        assert refused.code == FAILED
        assert "nonsense" in refused.out + refused.err
        applied = await run("apply", changed, "--data", data, "--json")
        assert applied.code == 0, applied.err

        async def in_force() -> bool:
            state = await run("status", "--data", data, "--json")
            return bool(state.json["policy_version"] == applied.json["policy_version"])

        await eventually(in_force, within_s=20)
