"""A supervisor watches who will soon be late: over real gRPC, and on the command line."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.shop import DOCUMENT, Shop, customer, message, opened, refusal, tenant_name
from tests.e2e.test_cli import COMMAND, environment, run
from toldonce.client.channel import Client
from toldonce.client.desk import Desk
from toldonce.client.risk import (
    RiskAnew,
    RiskGone,
    RiskListed,
    RiskNews,
    RiskSeen,
    watch_risk,
)
from toldonce.kernel.errors import Denied, Invalid, Refusal
from toldonce.kernel.principal import Role

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

URGENT = "This is urgent, please help"
ONE_AT_A_TIME = DOCUMENT.replace("capacity_units: 50", "capacity_units: 1")


def aiming(targets: str, *, warn: float, document: str = DOCUMENT) -> str:
    """Have the queues of urgent matters and of orders aim at other times, and do nothing then."""
    before, rest = document.split("sla:\n  - name: soon\n", 1)
    policy = f"sla:\n  - {{name: soon, targets: {targets}, warn_fraction: {warn}}}\n"
    made = before + policy + rest[rest.index("presence:") :]
    return made.replace("{name: orders, policy: quick,", "{name: orders, policy: quick, sla: soon,")


class Watch:
    """What a supervisor is told, as it comes."""

    def __init__(self, client: Client, *, within_s: int, queue: str = "") -> None:
        self.heard: list[RiskNews] = []
        self.ended: Refusal | None = None
        self._grew = asyncio.Event()
        self._stream = watch_risk(client, within_s=within_s, queue=queue)
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for news in self._stream:
                self.heard.append(news)
                self._grew.set()
        except Refusal as why:
            self.ended = why
            self._grew.set()

    async def told[N: RiskNews](
        self, kind: type[N], *, state: str = "", predicted: bool = False
    ) -> N:
        """Wait for news of a kind: of a clock in a state, or of a breach that was predicted."""
        async with asyncio.timeout(60):
            while True:
                for news in self.heard:
                    if isinstance(news, kind) and (
                        not isinstance(news, RiskSeen)
                        or (
                            state in {"", news.state}
                            and (news.predicted is not None or not predicted)
                        )
                    ):
                        return news
                assert self.ended is None, self.ended
                self._grew.clear()
                await self._grew.wait()

    def of(self, case_id: str) -> Iterator[RiskNews]:
        for news in self.heard:
            if isinstance(news, RiskGone) and news.case_id == case_id:
                yield news
            if isinstance(news, RiskSeen) and news.case.case_id == case_id:
                yield news

    def stop(self) -> None:
        self._task.cancel()


@contextmanager
def watching(client: Client, *, within_s: int, queue: str = "") -> Iterator[Watch]:
    watch = Watch(client, within_s=within_s, queue=queue)
    try:
        yield watch
    finally:
        watch.stop()


def left_s(news: RiskSeen) -> float:
    assert news.due_at is not None
    assert news.read_at is not None
    return (news.due_at - news.read_at).total_seconds()


async def test_a_case_is_shown_before_it_is_due_with_less_and_less_time_until_it_is_met(
    shop: Shop,
) -> None:
    await shop.apply(aiming("{first_response_s: 20}", warn=0.5))
    web, anna = await shop.gateway(), await shop.agent("anna")
    supervisor = await shop.client(Role.SUPERVISOR, "sam")
    async with opened(shop.house, tenant_name()) as other:
        stranger = await other.client(Role.SUPERVISOR, "eve")
        with (
            watching(supervisor, within_s=16) as watch,
            watching(supervisor, within_s=16, queue="repairs") as repairs,
            watching(stranger, within_s=86_400) as theirs,
        ):
            assert (await watch.told(RiskListed)).cases == 0
            ack = await web.submit(message(1, URGENT))
            case = await anna.take(ack.case_id)
            near = await watch.told(RiskSeen)
            assert near.case.case_id == ack.case_id
            assert (near.kind, near.case.queue, near.predicted) == ("FIRST_RESPONSE", "timed", None)
            assert 10 < left_s(near) <= 16
            warned = await watch.told(RiskSeen, state="WARNED")
            assert warned.due_at == near.due_at
            assert 0 < left_s(warned) < left_s(near)
            await anna.session.reply(case.case_id, "We are on our way.")
            assert (await watch.told(RiskGone)).case_id == ack.case_id
            assert isinstance(list(watch.of(ack.case_id))[-1], RiskGone)
            for quiet in (repairs, theirs):
                assert [type(news) for news in quiet.heard] == [RiskAnew, RiskListed]


async def test_a_breach_is_predicted_from_the_line_before_its_warning_though_nobody_is_there(
    shop: Shop,
) -> None:
    await shop.apply(aiming("{queue_wait_s: 15}", warn=0.9, document=ONE_AT_A_TIME))
    web = await shop.gateway()
    for count in (14, 36):  # how quickly the line moves, then how right what is said of that is
        acks = [await web.submit(message(f"{count}-{n}", addresses=())) for n in range(count)]
        anna = await shop.agent("anna")
        for _ in acks:
            case = await anna.take()
            await asyncio.sleep(0.25)
            await anna.session.close_case(case.case_id, "solved")
        await anna.leave()
    supervisor = await shop.client(Role.SUPERVISOR, "sam")
    (orders,) = [one for one in await Desk(supervisor).queues() if one.queue == "orders"]
    assert orders.wait is not None
    assert orders.agents_available == 0
    with watching(supervisor, within_s=1, queue="orders") as watch:
        await watch.told(RiskListed)
        for n in range(70):
            await web.submit(message(f"late-{n}", addresses=customer(f"late{n}")))
        news = await watch.told(RiskSeen, predicted=True)
    assert news.predicted is not None
    assert (news.kind, news.state, news.case.owner) == ("QUEUE_WAIT", "RUNNING", "")
    assert (news.predicted.kind, news.predicted.source) == ("QUEUE_WAIT", "LINE")
    assert news.predicted.expected_at is not None
    assert news.due_at is not None
    assert news.predicted.expected_at > news.due_at
    assert left_s(news) > 15 * (1 - 0.9)


async def test_agents_may_not_watch_and_questions_without_sense_are_refused(shop: Shop) -> None:
    agent, supervisor = (
        await shop.client(Role.AGENT, "anna"),
        await shop.client(Role.SUPERVISOR, "sam"),
    )

    async def asked(client: Client, **wanted: object) -> RiskNews:
        stream = watch_risk(client, **wanted)  # type: ignore[arg-type]
        await anext(stream)
        return await anext(stream)

    assert isinstance(await refusal(asked(agent)), Denied)
    assert isinstance(await refusal(asked(supervisor, within_s=-1)), Invalid)
    assert isinstance(await refusal(asked(supervisor, queue="No Queue")), Invalid)
    mistyped = await refusal(asked(supervisor, queue="order"))  # not: nothing is at risk there
    assert isinstance(mistyped, Invalid)
    assert "did you mean orders?" in str(mistyped)


async def test_the_command_line_shows_who_is_at_risk_once_or_line_by_line(shop: Shop) -> None:
    await shop.apply(aiming("{first_response_s: 600}", warn=0.5))
    web = await shop.gateway()
    ack = await web.submit(message(1, URGENT))
    other = await web.submit(message(2, addresses=customer("kim")))
    token = shop.house.token(Role.SUPERVISOR, "sam", shop.tenant)
    where = ("sla", "at-risk", "--address", shop.house.address, "--token", token)

    async def shown() -> list[str]:
        ran = await run(*where, "--once", "--json", "--within", "1h")
        assert ran.code == 0, ran.err
        assert ran.json["at_risk"] == len(ran.json["cases"])
        return [one["case"] for one in ran.json["cases"]]

    async with asyncio.timeout(60):
        while len(found := await shown()) < 2:
            pass
    assert found == [ack.case_id, other.case_id]  # the first to be due is first
    one = await run(*where, "--once", "--within", "1h", "--queue", "timed", "--json")
    (case,) = one.json["cases"]
    assert (case["case"], case["clock"], case["queue"]) == (
        ack.case_id,
        "FIRST_RESPONSE",
        "timed",
    )
    assert 0 < case["left_s"] <= 600
    assert case["predicted"] is None
    people = await run(*where, "--once", "--within", "1h")
    assert ack.case_id in people.out
    assert "2 at risk" in people.out
    nothing = await run(*where, "--once")
    assert "Nothing is at risk." in nothing.out or "2 at risk" in nothing.out
    wrong = await run(*where, "--within", "soon")
    assert (wrong.code, "15m" in wrong.err) == (2, True)
    await _line_by_line(where, ack.case_id)


async def _line_by_line(where: tuple[str, ...], case_id: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *where,
        *("--json", "--within", "1h", "--queue", "timed"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        told = [json.loads(await process.stdout.readline()) for _ in range(3)]
    assert [one["change"] for one in told] == ["anew", "at_risk", "listed"]
    assert told[1]["case"] == case_id
    assert told[2]["at_risk"] == 1
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")
