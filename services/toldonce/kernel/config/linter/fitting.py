"""Units: what costs more than those who could take it have, and what smaller work keeps out.

- COST: a channel's cost is above `capacity_units` of every agent who could ever take one of the
  sorts of work it brings, in one of the languages (ERROR). That no agent of the *queue* has the
  units is refused before (`lint`); here it is those with the skills and the language.
- STARVING by units: an agent takes the first in line of what fits into their free units, and
  nothing holds units back for what does not fit. So while work of cost s is always waiting, an
  agent of C units frees C mod s + s at most at one time, and work of cost B above that is never
  offered to them, whatever its priority and however long it has waited. It starves where that is
  so for everybody who could take it. Interruptible work does not stand in the way of work that is
  not. Only smaller work that never runs out does it: a WARNING where
  the forecast says so (a load of `NEAR_FULL` or more), else a NOTE.
"""

from collections.abc import Iterator

from toldonce.kernel.config.linter.crew import Crew, Work, fed
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity, some
from toldonce.kernel.config.types import Channel, Config


def too_dear(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find channels whose work needs more units than those who could take it have."""
    for index, channel in enumerate(config.channels.values()):
        roomy = _roomy(crew, channel.cost)
        for work in fed(config, channel, works):
            able = {language: crew.at_last(asked, work.steps) for language, asked in work.asks}
            barred = {lang: bits for lang, bits in able.items() if bits and not bits & roomy}
            if not barred:
                continue
            bits = 0
            for some_bits in barred.values():
                bits |= some_bits
            units = max(kind.agent.capacity_units for kind in crew.of(bits))
            spoken = some(language for language in barred if language)
            where = f" in {spoken}" if spoken else ""
            yield Finding(
                Severity.ERROR,
                Rule.COST,
                f"channels[{index}].cost",
                f"{channel.cost} is more than the {units} units of anybody who can take "
                f"{work.name}{where}: it would never be offered; lower the cost or raise "
                f"capacity_units of {some(kind.agent.name for kind in crew.of(bits))}",
            )


def kept_out(
    config: Config, crew: Crew, works: tuple[Work, ...], *, busy: bool
) -> Iterator[Finding]:
    """Find channels whose work smaller work can keep from everybody who could take it.

    `busy`: by the forecast, work never runs out in the busy hour.
    """
    brought = {name: fed(config, way, works) for name, way in config.channels.items()}
    takers = {name: _takers(crew, brought[name]) for name in brought}
    for index, channel in enumerate(config.channels.values()):
        roomy = _roomy(crew, channel.cost)
        smaller = [
            way
            for way in config.channels.values()
            if way.cost < channel.cost and (channel.interruptible or not way.interruptible)
        ]
        exposed, by = _exposed(crew, channel.cost, smaller, takers)
        starved = []
        for work in brought[channel.name]:
            able = [crew.at_last(asked, work.steps) & roomy for _, asked in work.asks]
            if any(bits and not bits & ~exposed for bits in able):
                starved.append(work.queue)
        if starved:
            yield Finding(
                Severity.WARNING if busy else Severity.NOTE,
                Rule.STARVING,
                f"channels[{index}].cost",
                f"while work of {some(by)} never runs out, that of {channel.name} (cost "
                f"{channel.cost}) is never offered on {some(starved)}: units freed one by one are "
                "taken again at once; give it agents who take nothing smaller, or lower its cost",
            )


def _exposed(
    crew: Crew, cost: int, smaller: list[Channel], takers: dict[str, int]
) -> tuple[int, list[str]]:
    """Return the kinds whose units smaller work can keep below `cost`, and which channels do."""
    exposed, by = 0, []
    for way in smaller:
        for number, kind in enumerate(crew.kinds):
            units = kind.agent.capacity_units
            if takers[way.name] >> number & 1 and units % way.cost + way.cost < cost:
                exposed |= 1 << number
                by.append(way.name)
    return exposed, by


def _takers(crew: Crew, works: tuple[Work, ...]) -> int:
    found = 0
    for work in works:
        found |= crew.ever(work)
    return found


def _roomy(crew: Crew, cost: int) -> int:
    """Return the kinds that have so many units at all."""
    return sum(
        1 << number for number, kind in enumerate(crew.kinds) if kind.agent.capacity_units >= cost
    )
