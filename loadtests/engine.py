"""What a decision of the routing engine costs: arrivals and freed agents, at any size.

The engine is driven through its public `step()`, one fact at a time; facts are made beforehand. A
decision is one case matched to one agent. The bare loop beside it pushes and pops a heap as often.
"""

import heapq
import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loadtests.engine_desk import KINDS, SKILLS, Crowd, Desk, Timed
from toldonce.kernel.errors import Unavailable
from toldonce.routing.core import engine as engine_module

ROUNDS = 3

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The crowds that are measured."""

    crowds: Mapping[str, Crowd] = field(
        default_factory=lambda: {
            "main": Crowd(),
            "small": Crowd(1_000, 10_000),
            "large": Crowd(100_000, 1_000_000),
            "batch": Crowd(1_000, 10_000, 20_000, batch=50),
        }
    )


def bare_per_s(waiting: int, count: int) -> float:
    """Time the least there is to do: push one entry on a heap of `waiting` and pop one."""
    heap = [(number, str(number)) for number in range(waiting)]
    began_s = time.perf_counter()
    for number in range(waiting, waiting + count):
        heapq.heappush(heap, (number, "new"))
        heapq.heappop(heap)
    return count / (time.perf_counter() - began_s)


def measure(sizes: Sizes, say: Say) -> dict[str, object]:
    """Measure at the size of the promise, a tenth and ten times that, and one large crowd.

    `cost_ratio_100k_vs_1k` compares the cost of a decision at 100 000 agents and at 1 000, with ten
    waiting an agent, same skills and kinds. In a batch 50 agents become free at once and are
    matched as a whole.
    """
    timed = {name: _timed(name, crowd, say) for name, crowd in sizes.crowds.items()}
    main, small, large, batch = (timed[name] for name in ("main", "small", "large", "batch"))
    steps, batches = sorted(main.steps_us), sorted(batch.steps_us)
    say("the bare loop")
    return {
        "compiled": "compiled" in str(engine_module.__file__),
        "agents": sizes.crowds["main"].agents,
        "waiting": sizes.crowds["main"].waiting,
        "skills": SKILLS,
        "kinds": KINDS,
        "decisions": main.decisions,
        "decisions_per_s": round(main.per_s),
        "p50_us": round(steps[len(steps) // 2], 1),
        "p99_us": round(steps[len(steps) * 99 // 100], 1),
        "max_us": round(steps[-1], 1),
        "batch": sizes.crowds["batch"].batch,
        "batch_p50_us": round(batches[len(batches) // 2]),
        "batch_p99_us": round(batches[len(batches) * 99 // 100]),
        "batch_per_s": round(batch.per_s),
        "cost_ratio_100k_vs_1k": round(small.per_s / large.per_s, 2),
        "per_s_at_1k": round(small.per_s),
        "per_s_at_100k": round(large.per_s),
        "limit_per_s": round(bare_per_s(sizes.crowds["main"].waiting, main.decisions)),
        "rss_mb": round(main.rss_mb),
        "rss_mb_at_100k_agents": round(large.rss_mb),
        "waiting_at_100k_agents": sizes.crowds["large"].waiting,
    }


def _timed(name: str, crowd: Crowd, say: Say) -> Timed:
    """Measure one crowd in a process of its own, so that its memory is its own too."""
    say(f"{name}: {crowd.agents} agents, {crowd.waiting} waiting")
    apart = multiprocessing.get_context("fork")
    heard, said = apart.Pipe(duplex=False)

    def work() -> None:
        desk = Desk(crowd)
        run = desk.run_batches if crowd.batch else desk.run
        runs = [run(crowd.decisions) for _ in range(ROUNDS)]
        said.send(sorted(runs, key=lambda run: run.seconds)[ROUNDS // 2])

    process = apart.Process(target=work)
    process.start()
    said.close()
    try:
        found: Timed = heard.recv()
    except EOFError:
        raise Unavailable(f"the process that measured {name} ended without a word") from None
    process.join()
    say(f"  {found.per_s:.0f} decisions a second, {found.rss_mb:.0f} MiB")
    return found
