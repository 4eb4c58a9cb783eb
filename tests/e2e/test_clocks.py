"""A manager asks where the time of a clock went: over gRPC, on the command line, from an export."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.shop import DOCUMENT, Shop, customer, message, refusal
from tests.e2e.test_cli import run
from toldonce.client.clocks import Clocks, ClockTold
from toldonce.kernel.account import CLOSED_DATE, OPEN
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.errors import Denied, Missing
from toldonce.kernel.principal import Role
from toldonce.runtime.zones import WheelZones

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

ZONE = "Australia/Lord_Howe"
URGENT = "This is urgent, please help"


def shut() -> str:
    """The company, whose office has holidays these days, and answers by its hours."""
    zone = WheelZones().zone(ZONE)
    today = datetime.now(UTC).astimezone(zone).date()
    days = ", ".join(f"'{today + timedelta(days=n)}'" for n in range(-2, 3))
    week = ", ".join(
        f"{day}: ['00:00-24:00']"
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    )
    office = f"  - {{name: office, zone: {ZONE}, weekly: {{{week}}}, holidays: [{days}]}}"
    return (
        DOCUMENT.replace("queues:\n", f"calendars:\n{office}\nqueues:\n", 1)
        .replace("{name: orders, policy: quick,", "{name: orders, policy: quick, sla: slow,")
        .replace(
            "sla:\n",
            "sla:\n  - {name: slow, calendar: office, targets: {first_response_s: 3600}}\n",
            1,
        )
    )


async def asked(shop: Shop, case_id: str, kind: ClockKind) -> ClockTold:
    clocks = Clocks(await shop.client(Role.AGENT, "anna"))
    assert (kind, "") in await clocks.kept(case_id)
    return await clocks.explain(case_id, kind)


async def test_manager_reads_how_long_an_answer_took(shop: Shop) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT))
    case = await anna.take(ack.case_id)
    await anna.session.reply(case.case_id, "We are on our way.")
    found = await asked(shop, ack.case_id, ClockKind.FIRST_RESPONSE)
    assert (found.policy, found.target_s) == ("soon", 3)
    assert found.state == ("MET" if found.remaining_s > 0 else "BREACHED")
    assert found.why == "the case is in queue timed, which has this policy"
    story = await shop.story(ack.customer_id)
    assert found.started_at == story[0].record.at
    assert found.due_at == story[0].record.at + timedelta(seconds=3)
    assert found.ended_at == found.spans[-1].to_at
    assert sum(span.counted_s for span in found.spans) == pytest.approx(found.elapsed_s, abs=1e-9)
    assert {span.reason for span in found.spans} == {OPEN}


async def test_time_on_a_holiday_does_not_count_and_the_account_says_so(shop: Shop) -> None:
    await shop.apply(shut())
    web = await shop.gateway()
    ack = await web.submit(message(1))
    found = await asked(shop, ack.case_id, ClockKind.FIRST_RESPONSE)
    assert (found.state, found.calendar, found.zone_name) == ("RUNNING", "office", ZONE)
    assert (found.elapsed_s, found.remaining_s) == (0, 3600)
    assert {span.reason for span in found.spans} == {CLOSED_DATE}
    assert all(one.to_at == other.from_at for one, other in pairwise(found.spans))
    assert found.due_at is not None
    assert found.due_at > datetime.now(UTC) + timedelta(days=1)


async def test_questions_about_clocks_that_are_not_kept_are_missing(shop: Shop) -> None:
    web = await shop.gateway()
    ack = await web.submit(message(1))
    clocks = Clocks(await shop.client(Role.SUPERVISOR, "sam"))
    assert await clocks.kept(ack.case_id) == []
    no = await refusal(clocks.explain(ack.case_id, ClockKind.FIRST_RESPONSE))
    assert isinstance(no, Missing)
    assert "it has none at all" in str(no)
    gateway = Clocks(await shop.client(Role.GATEWAY, "web"))
    assert isinstance(await refusal(gateway.explain(ack.case_id, ClockKind.FIRST_RESPONSE)), Denied)


async def test_command_line_tells_the_same_live_and_from_an_export(
    shop: Shop, tmp_path: Path
) -> None:
    patient = DOCUMENT.replace("first_response_s: 3}", "first_response_s: 300}")
    await shop.apply(patient)
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT, addresses=customer("kim")))
    case = await anna.take(ack.case_id)
    await anna.session.reply(case.case_id, "We are on our way.")
    where = ("--address", shop.house.address)
    token = shop.house.token(Role.SUPERVISOR, "sam", shop.tenant)
    admin = shop.house.token(Role.ADMIN, "ada", shop.tenant)
    live = await run("sla", "explain", ack.case_id, *where, "--token", token, "--json")
    assert live.code == 0, live.err
    kinds = {clock["kind"]: clock for clock in live.json["clocks"]}
    assert set(kinds) == {"QUEUE_WAIT", "FIRST_RESPONSE"}
    assert "MET, it was in time" in live.err
    file, document = tmp_path / "kim.jsonl", tmp_path / "desk.yaml"
    _write(document, patient)
    exported = await run(
        "export-customer", "--customer", ack.customer_id, "--out", file, *where, "--token", admin
    )
    assert exported.code == 0, exported.err
    words = ("sla", "explain", ack.case_id, "--export", file, "--config", document)
    offline = await run(*words, "--clock", "first-response", "--json")
    assert offline.code == 0, offline.err
    (told,) = offline.json["clocks"]
    varies = {"policy_version", "read_at"}  # a file has no revision, and it is later now
    ours, theirs = (
        {k: v for k, v in one.items() if k not in varies} for one in (told, kinds["FIRST_RESPONSE"])
    )
    assert ours == theirs
    people = await run(*words)
    assert "FIRST_RESPONSE: MET, it was in time" in people.out
    assert "QUEUE_WAIT" in people.out


async def test_command_line_accounts_for_each_promise_live_and_from_an_export(
    shop: Shop, tmp_path: Path
) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, addresses=customer("lena")))
    case = await anna.take(ack.case_id)
    due = datetime.now(UTC) + timedelta(hours=2)
    for hours, words in ((1, "We write again."), (0, "We call you back.")):
        await anna.session.promise(case.case_id, words, due + timedelta(hours=hours))
    where = ("--address", shop.house.address)
    token = shop.house.token(Role.SUPERVISOR, "sam", shop.tenant)
    words = ("sla", "explain", ack.case_id, *where, "--token", token, "--clock", "commitment")
    live = await run(*words, "--json")
    assert live.code == 0, live.err
    assert [one["kind"] for one in live.json["clocks"]] == ["COMMITMENT", "COMMITMENT"]
    assert datetime.fromisoformat(live.json["clocks"][0]["due_at"]) == due
    assert "by the wall: anna promised it for that instant" in live.err
    file, document = tmp_path / "lena.jsonl", tmp_path / "desk.yaml"
    _write(document, DOCUMENT)
    admin = ("--token", shop.house.token(Role.ADMIN, "ada", shop.tenant))
    await run("export-customer", "--customer", ack.customer_id, "--out", file, *where, *admin)
    words = ("sla", "explain", ack.case_id, "--export", file, "--config", document, "--json")
    offline = await run(*words)
    assert offline.code == 0, offline.err
    found = [one for one in offline.json["clocks"] if one["kind"] == "COMMITMENT"]
    same = ("kind", "started_at", "due_at", "target_s", "why", "commitment")
    assert [[one[name] for name in same] for one in found] == [
        [one[name] for name in same] for one in live.json["clocks"]
    ]


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
