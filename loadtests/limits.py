"""The figures: rounds that alternate the bare limit and the house, medians, ratios.

`append_*` are bare, `submit_*` and `lifecycle_per_s` ours. A ratio is taken in each round between
neighbours in time, and the median of those is told, so that a machine that slows down between
rounds does not show as a ratio.
"""

import base64
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median

from loadtests import bare, children, material
from loadtests.bench import FIGURES, Bench, House, Measured, Others, Plan, house_of
from loadtests.children import Running
from loadtests.lifecycles import APPENDS
from toldonce.client.channel import Client
from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.nats_link import Link

type Say = Callable[[str], None]
type After = Callable[[Bench], Awaitable[dict[str, object]]]

RATIOS = {
    "submit_ratio": ("submit_per_s", "append_unary_per_s", 1),
    "submit_stream_ratio": ("submit_stream_per_s", "append_stream_per_s", 1),
    "lifecycle_ratio": ("lifecycle_per_s", "append_stream_per_s", APPENDS),
}


type Round = dict[str, Measured]


def ratios(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give the medians of the ratios of each round's figures."""
    return {
        name: median(each[ours] * factor / each[bare_one] for each in rounds)
        for name, (ours, bare_one, factor) in RATIOS.items()
    }


async def append_bytes(house: Running, gateway: str) -> int:
    """Say how large the append of one contact is: hand one in and read it from the log."""
    async with Client(house.address, gateway) as client:
        await client.intake.SubmitContact(material.contact(0, material.PARKED), timeout=30.0)
    link = await Link.connect(str(house.said["nats_url"]), name="load")
    try:
        stream = names.stories_stream()
        answer = await link.api(f"STREAM.MSG.GET.{stream}", {"seq": 1})
    finally:
        await link.close()
    return len(base64.b64decode(answer["message"]["data"]))


async def limits(
    plan: Plan, say: Say, *, house: House | None = None, after: After | None = None
) -> dict[str, object]:
    """Measure everything; `house` is one that runs already, or None to run one here.

    Returns the report: figures, ratios, and under `detail` every round; and whatever `after` finds
    on the same systems. Raises a Refusal with the sentence why it cannot be measured.
    """
    async with AsyncExitStack() as stack:
        size = bare.APPEND_BYTES
        if house is None:
            say("starting the house")
            running = await stack.enter_async_context(children.running("house"))
            house = house_of(running)
            size = await append_bytes(running, house.gateway)
        say(f"starting the bare server (appends of {size} bytes)")
        option = ("--append-bytes", str(size))
        bare_running = await stack.enter_async_context(children.running("bare", *option))
        bench = Bench(house, bare_running, plan)
        await stack.enter_async_context(bench.stack)
        await bench.open()
        others = Others(bench)
        found = report(plan, await _rounds(bench, plan, say), size, others_cores=others.cores())
        return found | (await after(bench) if after is not None else {})


async def _rounds(bench: Bench, plan: Plan, say: Say) -> list[Round]:
    for figure in FIGURES:
        await bench.run(figure, min(1.0, plan.seconds))  # warm: caches, connections, languages
    rounds: list[Round] = []
    for number in range(1, plan.rounds + 1):
        # Every other round goes backwards: neither side is always the first after a rest.
        order = FIGURES if number % 2 else tuple(reversed(FIGURES))
        found = {figure: await bench.run(figure, plan.seconds) for figure in order}
        rounds.append({figure: found[figure] for figure in FIGURES})
        told = ", ".join(f"{figure} {found[figure].per_s:,.0f}" for figure in FIGURES)
        say(f"round {number} of {plan.rounds}: {told}")
    return rounds


def report(
    plan: Plan, rounds: list[Round], size: int, *, others_cores: float | None = None
) -> dict[str, object]:
    """Put figures, ratios and what lies behind them into one object."""
    plain = [{name: each.per_s for name, each in found.items()} for found in rounds]
    idle = [name for name in FIGURES if not all(each[name] for each in plain)]
    if idle:
        raise Unavailable(f"nothing came back while measuring {', '.join(idle)}")
    figures = {name: round(median(each[name] for each in plain), 1) for name in FIGURES}
    shares = {name: round(value, 3) for name, value in ratios(plain).items()}
    return {
        **figures,
        **shares,
        "detail": {
            "seconds": plan.seconds,
            "rounds": plan.rounds,
            "concurrency": plan.concurrency,
            "append_bytes": size,
            "cores": os.cpu_count(),
            "others_cores": others_cores,
            "each_round": [{name: round(each[name], 1) for name in FIGURES} for each in plain],
            "cpu_us": {name: _cpu(rounds, name) for name in FIGURES},
            "caught_up_s": {
                name: round(median(each[name].caught_up_s for each in rounds), 1)
                for name in FIGURES
            },
            "offers_refused": sum(each["lifecycle_per_s"].refused for each in rounds),
        },
    }


def _cpu(rounds: list[Round], figure: str) -> dict[str, int]:
    parts = rounds[0][figure].cpu_us
    return {
        part: round(median(each[figure].cpu_us.get(part, 0.0) for each in rounds)) for part in parts
    }
