"""Whether the agents can carry the load that the forecast expects (see `programme`).

k is an entry of `forecast`, lambda_k its contacts an hour; g is a kind of agents, N_g how many of
them are there; mu_kg = n_kg 3600 / (handle_s + wrap_up_s of the queue), with n_kg contacts at once.
An agent can work on k who meets what k asks after the last relaxing step: a load of 1 or more is
then beyond any routing and any patience.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from toldonce.kernel.config.forecast import ALL_PERMILLE, Expected
from toldonce.kernel.config.linter.crew import Crew
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity, some
from toldonce.kernel.config.linter.programme import Solver, left_over, utilisation
from toldonce.kernel.config.types import Config
from toldonce.kernel.skills import relaxed

FULL = 1.0
NEAR_FULL = 0.9
_HOUR_S = 3_600
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: `rho`, and `rho_plain` before any step has relaxed anything.

    `rho_plain` is None where something waits for a step to find its first agent. `left` (index of
    the entry, contacts an hour) cannot be carried by any routing, `short` are the entries that
    share the shortage, the largest part first, and `nobody` those that no agent can take: they are
    in no programme.
    """

    rho: float
    rho_plain: float | None
    left: tuple[tuple[int, float], ...] = ()
    short: tuple[int, ...] = ()
    nobody: tuple[int, ...] = ()


def rates(
    config: Config, crew: Crew, *, at_last: bool
) -> tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Return mu[k][g], contacts an hour, and N[g], agents; `at_last`: after the last step.

    Kinds who are as good at everything are one column.
    """
    present = config.forecast.present_permille / ALL_PERMILLE
    table = [_speeds(config, crew, one, at_last=at_last) for one in config.forecast.contacts]
    sizes: dict[tuple[float, ...], float] = {}
    for column, kind in zip(zip(*table, strict=True), crew.kinds, strict=True):
        if any(column):
            sizes[column] = sizes.get(column, 0.0) + kind.count * present
    if not sizes:
        return tuple(() for _ in table), ()
    return tuple(zip(*sizes, strict=True)), tuple(sizes.values())


def load(config: Config, solve: Solver) -> Load | None:
    """Plan for what is expected; None where nothing is."""
    if not config.forecast.contacts:
        return None
    crew = Crew(config)
    speeds, sizes = rates(config, crew, at_last=True)
    nobody = tuple(number for number, row in enumerate(speeds) if not any(row))
    kept = [number for number in range(len(speeds)) if number not in nobody]
    if not kept:
        return Load(0.0, None, nobody=nobody)
    arrivals = [float(config.forecast.contacts[number].per_hour) for number in kept]
    able = [speeds[number] for number in kept]
    rho, prices = utilisation(arrivals, able, sizes, solve)
    plain = _plain(config, crew, solve)
    if rho < FULL:
        return Load(rho, plain, nobody=nobody)
    lost = left_over(arrivals, able, sizes, solve)
    parts = {k: price * count for k, price, count in zip(kept, prices, arrivals, strict=True)}
    short = sorted((k for k in kept if parts[k] > _NOTHING), key=lambda k: -parts[k])
    left = tuple((k, gone) for k, gone in zip(kept, lost, strict=True) if gone > _NOTHING)
    return Load(rho, plain, left, tuple(short), nobody)


def overloaded(config: Config, found: Load) -> Iterator[Finding]:
    """Say what is wrong with the load: errors where it cannot be carried."""
    for number in found.nobody:
        yield Finding(
            Severity.ERROR,
            Rule.LOAD,
            f"forecast.contacts[{number}]",
            f"no agent can ever take {_name(config.forecast.contacts[number])}: "
            "give somebody the skills, the language and the units",
        )
    if found.rho >= FULL:
        gone = sum(count for _, count in found.left)
        come = sum(one.per_hour for one in config.forecast.contacts)
        who = some(_name(config.forecast.contacts[number]) for number in found.short)
        yield Finding(
            Severity.ERROR,
            Rule.LOAD,
            "forecast",
            f"the load is {found.rho:.2f} of what the agents can carry: of {come} contacts an hour "
            f"at least {gone:.1f} are left over under any routing; too few can take {who}",
        )
    elif found.rho >= NEAR_FULL:
        yield Finding(
            Severity.WARNING,
            Rule.LOAD,
            "forecast",
            f"the load is {found.rho:.2f} of what the agents can carry: every peak makes a long "
            "queue; plan for less than 0.9",
        )
    elif found.rho_plain is not None and found.rho_plain >= FULL:
        yield Finding(
            Severity.WARNING,
            Rule.LOAD,
            "forecast",
            f"the load is {found.rho_plain:.2f} of what the agents can carry before anything is "
            f"relaxed, {found.rho:.2f} after: some work waits for a step however it is routed",
        )


def _plain(config: Config, crew: Crew, solve: Solver) -> float | None:
    """Return rho before any step; None where somebody's first agent is there by a step only."""
    speeds, sizes = rates(config, crew, at_last=False)
    if not all(any(row) for row in speeds):
        return None
    arrivals = [float(one.per_hour) for one in config.forecast.contacts]
    return utilisation(arrivals, speeds, sizes, solve)[0]


def _speeds(config: Config, crew: Crew, one: Expected, *, at_last: bool) -> list[float]:
    """Return mu of each kind of agents, 0 for who cannot take it."""
    asked = crew.asked(config, one.queue, one.topic, one.language)
    steps = config.policy_of(one.queue).steps if at_last else ()
    bits = crew.who(relaxed(asked, steps, float("inf")))
    each = _HOUR_S / (one.handle_s + config.queues[one.queue].wrap_up_s)
    return [
        each * _at_once(config, one, kind.agent.capacity_units) if bits >> number & 1 else 0.0
        for number, kind in enumerate(crew.kinds)
    ]


def _at_once(config: Config, one: Expected, units: int) -> int:
    """Say how many such contacts an agent of so many units has at the same time."""
    if not one.channel:
        return one.concurrency or 1
    fits = units // config.channels[one.channel].cost
    return min(fits, one.concurrency or fits)


def _name(one: Expected) -> str:
    about = f"topic {one.topic} on queue {one.queue}" if one.topic else f"queue {one.queue}"
    where = f" by {one.channel}" if one.channel else ""
    return f"{about}{where} in {one.language}" if one.language else f"{about}{where}"
