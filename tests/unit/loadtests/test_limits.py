"""The load tests count what they say they count, and tell it under the names that were promised."""

import asyncio
import cProfile
import json
import pstats

import pytest

from loadtests import __main__ as command
from loadtests import breakdown, load, material
from loadtests.bench import FIGURES, Measured, Plan
from loadtests.limits import RATIOS, ratios, report
from loadtests.text import table
from toldonce.api.intake.v1 import intake_pb2
from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.runtime.document import check
from toldonce.runtime.rpc import to_status
from toldonce.runtime.zones import WheelZones

KEYS = {
    "append_unary_per_s",
    "append_stream_per_s",
    "submit_per_s",
    "submit_stream_per_s",
    "lifecycle_per_s",
    "submit_ratio",
    "submit_stream_ratio",
    "lifecycle_ratio",
}


def a_round(speed=1.0, **other):
    """What one round found: bare 1000 and 4000 a second, ours half, a quarter and an eighth."""
    plain = {
        "append_unary_per_s": 1000.0,
        "submit_per_s": 500.0,
        "append_stream_per_s": 4000.0,
        "submit_stream_per_s": 1000.0,
        "lifecycle_per_s": 125.0,
    }
    cpu = {"server": 500.0, "client": 200.0}
    return {name: Measured(speed * each, cpu) for name, each in (plain | other).items()}


def test_the_report_has_the_promised_keys():
    told = report(Plan(), [a_round()], 900)
    assert {*FIGURES, *RATIOS} == KEYS
    assert set(told) == KEYS | {"detail"}
    assert json.loads(json.dumps(told)) == told


def test_a_lifecycle_counts_as_four_appends():
    told = report(Plan(), [a_round()], 900)
    assert told["submit_ratio"] == 0.5
    assert told["submit_stream_ratio"] == 0.25
    assert told["lifecycle_ratio"] == 0.125


def test_a_machine_that_slows_down_between_rounds_does_not_show_in_a_ratio():
    plain = [{n: m.per_s for n, m in a_round(speed).items()} for speed in (1.0, 0.5, 0.2)]
    assert ratios(plain)["submit_ratio"] == 0.5


def test_the_median_of_the_rounds_is_told():
    rounds = [a_round(submit_per_s=each) for each in (100.0, 700.0, 900.0)]
    assert report(Plan(), rounds, 900)["submit_per_s"] == 700.0


def test_a_figure_that_was_never_measured_is_no_figure():
    with pytest.raises(Unavailable, match="lifecycle_per_s"):
        report(Plan(), [a_round(lifecycle_per_s=0.0)], 900)


def test_the_table_names_every_figure_and_what_it_cost():
    told = table(report(Plan(), [a_round()], 900))
    assert all(key in told for key in KEYS)
    assert "server 500" in told


def test_the_table_says_when_the_machine_was_not_quiet():
    assert "quiet" in table(report(Plan(), [a_round()], 900, others_cores=0.7))
    assert "quiet" not in table(report(Plan(), [a_round()], 900, others_cores=0.02))


async def test_only_what_ends_inside_the_window_is_counted():
    window = load.Window(0.2)
    window.ended()
    assert (window.count, window.all) == (0, 1)
    await asyncio.sleep(load.WARM_UP_S + 0.05)
    window.ended()
    await asyncio.sleep(0.2)
    window.ended()
    assert (window.count, window.all) == (1, 3)
    assert window.over
    assert window.per_s == 5.0


async def test_callers_end_when_the_window_is_over():
    called = []

    async def call(contact):
        called.append(contact)
        await asyncio.sleep(0.005)

    window = load.Window(0.1)
    await load.unary(call, concurrency=3, window=window)
    assert window.all == len(called) > window.count > 0
    assert len({contact.message_id for contact in called}) == len(called)


async def test_a_stream_keeps_as_many_under_way_as_asked_and_no_more():
    most = 0

    async def slow(requests):
        nonlocal most
        read = asyncio.Queue()

        async def reader():
            async for request in requests:
                read.put_nowait(request)

        async with asyncio.TaskGroup() as group:
            reading = group.create_task(reader())
            while not (reading.done() and read.empty()):
                await asyncio.sleep(0.005)
                most = max(most, read.qsize())
                while not read.empty():
                    tag = read.get_nowait().tag
                    yield intake_pb2.SubmitContactsResponse(tag=tag, ack=material.answer())

    window = load.Window(0.1)
    await load.streamed(slow, concurrency=4, window=window)
    assert most == 4
    assert window.all >= window.count > 0


async def test_a_refusal_on_the_stream_is_not_counted_as_speed():
    async def refusing(requests):
        async for request in requests:
            status = to_status(Invalid("text", "too long"))
            yield intake_pb2.SubmitContactsResponse(tag=request.tag, error=status)

    with pytest.raises(Invalid, match="too long"):
        await load.streamed(refusing, concurrency=4, window=load.Window(0.1))


def test_the_configuration_of_the_load_can_be_put_in_force():
    config = check(material.document(), WheelZones())
    assert {material.PARKED, material.SERVED} <= set(config.queues)
    assert set(material.AGENTS) <= set(config.agents)


def test_a_profile_tells_parts_and_no_folders_of_this_machine():
    profile = cProfile.Profile()
    profile.runcall(material.contact, 1, material.SERVED)
    told = breakdown.summary(pstats.Stats(profile), top=50)
    assert "toldonce.runtime.ids" in told["shares"]
    assert sum(told["shares"].values()) == pytest.approx(1.0, abs=0.05)
    assert not [line for line in told["top"] if line["where"].startswith("/")]


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("/x/services/toldonce/intake/core/topics.py", "toldonce.intake.core"),
        ("/x/services/toldonce/runtime/ask.py", "toldonce.runtime.ask"),
        ("/x/lib/python3.13/site-packages/nats/aio/client.py", "nats"),
        ("/x/lib/python3.13/asyncio/tasks.py", "python"),
    ],
)
def test_a_function_belongs_to_a_part(file, part):
    assert breakdown.part_of(file, "f") == part


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["speed"],
        ["limits", "--rounds", "0"],
        ["limits", "--seconds", "x"],
        ["limits", "--concurrency", "100000"],
    ],
)
def test_wrong_use_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_house_without_a_key_to_it_is_a_sentence_and_ends_with_1(tmp_path, capsys):
    arguments = ["limits", "--address", "127.0.0.1:1", "--secrets", str(tmp_path)]
    assert command.main(arguments) == 1
    assert "tenant.key" in capsys.readouterr().err
