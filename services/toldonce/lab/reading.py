"""From a plain tree to a scenario; whatever is wrong is told at once, with the path of its key."""

from math import isfinite
from types import MappingProxyType

from toldonce.kernel.config.success import success
from toldonce.kernel.config.tree import Fields, Problems, fields
from toldonce.kernel.config.weighing import MILLI, Weighing, adaptive, weighing
from toldonce.lab.scenario import (
    Closing,
    Figure,
    Group,
    Policy,
    Scenario,
    Shape,
    Spread,
    Type,
)

PERIODS_MAX = 1_000
AGENTS_MAX = 10_000
REPLICATIONS_MAX = 1_000_000
MINUTES_MAX = 1e8
ADAPTIVE = "adaptive"  # every scenario has it
_LARGE = 1e9
_KEYS = (
    "name",
    "title",
    "source",
    "figure",
    "periods",
    "warm_up",
    "busyness",
    "lines",
    "closing",
    "replications",
    "types",
    "groups",
    "policies",
)
_TYPE_KEYS = (
    "name",
    "arrivals",
    "patience",
    "within",
    "goal",
    "weight",
    "cost",
    "redial",
    "redial_after",
    "repeat_after",
)


def read(tree: object) -> Scenario:
    """Read a scenario; raises Invalid that names every key that is wrong."""
    problems = Problems()
    document = fields("", tree, _KEYS, problems)
    types = _types(document)
    groups = _groups(document, tuple(type_.name for type_ in types))
    policies = _policies(document.mapping("policies"), types, groups)
    policies.setdefault(ADAPTIVE, _adaptive(types))
    scenario = Scenario(
        name=document.name("name"),
        title=document.text("title", ""),
        source=document.text("source", "", chars_max=500),
        figure=document.choice("figure", Figure, Figure.J),
        periods=_row(document, "periods", 1e-6, MINUTES_MAX),
        warm_up=_number(document, "warm_up", 0.0, MINUTES_MAX, 0.0),
        busyness=_number(document, "busyness", 0.0, _LARGE, 0.0),
        lines=document.whole("lines", 0, 1_000_000, 0),
        closing=document.choice("closing", Closing, Closing.SERVE),
        replications=document.whole("replications", 1, REPLICATIONS_MAX, 24),
        types=types,
        groups=groups,
        policies=MappingProxyType(policies),
    )
    if scenario.warm_up and len(scenario.periods) > 1:
        document.wrong(
            "periods", "holds more than one, but with a warm_up there is one that counts"
        )
    for key, names in (("types", [t.name for t in types]), ("groups", [g.name for g in groups])):
        for place, name in enumerate(names):
            if name in names[:place]:
                problems.add(f"{key}[{place}].name", f"{name} is there twice")
    for place, type_ in enumerate(types):
        if not any(type_.name in group.service for group in groups):
            problems.add(f"types[{place}].name", f"{type_.name} is served by no group")
    problems.refuse()
    return scenario


def read_policies(tree: object, scenario: Scenario) -> dict[str, Policy]:
    """Read policies that stand alone, as under `policies` of a scenario; raises Invalid."""
    problems = Problems()
    found = _policies(fields("", tree, None, problems, 200), scenario.types, scenario.groups)
    problems.refuse()
    return found


def _types(document: Fields) -> tuple[Type, ...]:
    return tuple(
        Type(
            name=entry.name("name"),
            arrivals=_row(entry, "arrivals", 0.0, _LARGE),
            patience=_spreads(entry, "patience") if "patience" in entry.values else None,
            within=_number(entry, "within", 0.0, MINUTES_MAX, 1 / 3),
            goal=_number(entry, "goal", 0.0, 100.0, 0.0),
            weight=_number(entry, "weight", 0.0, _LARGE, 1.0),
            cost=_number(entry, "cost", 0.0, _LARGE, 1.0),
            redial=_number(entry, "redial", 0.0, 0.999, 0.0),
            redial_after=_number(entry, "redial_after", 0.0, MINUTES_MAX, 0.0),
            repeat_after=_number(entry, "repeat_after", 1e-6, MINUTES_MAX, 60.0),
        )
        for entry in document.sections("types", _TYPE_KEYS, required=True, count_max=100)
    )


def _groups(document: Fields, types: tuple[str, ...]) -> tuple[Group, ...]:
    found = []
    for entry in document.sections(
        "groups", ("name", "agents", "service", "resolves"), required=True, count_max=1_000
    ):
        service = entry.section("service", types)
        if not service.values:
            entry.wrong("service", "is missing: at least one type and how long it takes")
        agents = _row(entry, "agents", 0, AGENTS_MAX)
        found.append(
            Group(
                name=entry.name("name"),
                agents=tuple(round(number) for number in agents),
                service=MappingProxyType(
                    {name: _spreads(service, name) for name in types if name in service.values}
                ),
                resolves=_resolves(entry, tuple(service.values)),
            )
        )
    return tuple(found)


def _resolves(group: Fields, types: tuple[str, ...]) -> MappingProxyType[str, tuple[float, float]]:
    """Read `resolves`: a share, or those of the least and the most able of a group."""
    entry = group.section("resolves", types)
    found = {}
    for name in entry.values:
        row = _row(entry, name, 0.001, 0.999)
        if len(row) > 2 or row[-1] < row[0]:  # noqa: PLR2004 - the least and the most
            entry.wrong(name, "wanted one share, or the least and then the most")
        found[name] = row[0], row[-1]
    return MappingProxyType(found)


def _policies(
    named: Fields, types: tuple[Type, ...], groups: tuple[Group, ...]
) -> dict[str, Policy]:
    """Read a name, and per type what pairs with each group are worth."""
    if not named.values:
        named.problems.add(named.path, "is missing: at least one policy")
    names, teams = [type_.name for type_ in types], {group.name for group in groups}
    found = {}
    for name in named.values:
        entry = named.section(name, ("weigh", "success", *names))
        everybody = weighing(entry, 1)
        weigh: dict[str, Weighing] = dict.fromkeys(names, everybody)
        for type_ in names:
            if type_ in entry.values:
                weigh[type_] = weighing(_under(entry, type_), 1)
            for team in set(weigh[type_].groups) - teams:
                entry.wrong(type_, f"weighs the group {team}, which is none of {sorted(teams)}")
        found[name] = Policy(name, MappingProxyType(weigh), success(entry))
    return found


def _adaptive(types: tuple[Type, ...]) -> Policy:
    return Policy(ADAPTIVE, MappingProxyType({type_.name: _learning(type_) for type_ in types}))


def _learning(type_: Type) -> Weighing:
    """Weigh as the shipped policy does, which is told what a type costs and what is aimed at."""
    within_ms = round(type_.within * 60_000) if type_.goal else 0
    return Weighing(adaptive(round(type_.cost * MILLI), within_ms), within_ms=within_ms)


def _under(entry: Fields, type_: str) -> Fields:
    """Read a type's weights as if they stood under `weigh`."""
    return Fields(entry.path, {"weigh": entry.values[type_]}, entry.problems)


def _spreads(entry: Fields, key: str) -> tuple[Spread, ...]:
    """Read one duration, or one for each period."""
    value = entry.values[key]
    many = value if isinstance(value, list) else [value]
    if not 0 < len(many) <= PERIODS_MAX:
        entry.wrong(key, f"wanted 1 to {PERIODS_MAX} durations")
        return (Spread(Shape.EXPONENTIAL, 1.0),)
    return tuple(_spread(entry, f"{key}[{place}]", one) for place, one in enumerate(many))


def _spread(entry: Fields, key: str, value: object) -> Spread:
    """Read `{exponential: mean}`, `{uniform: [least, most]}` or `{lognormal: [mean, scv]}`."""
    inner = fields(entry.at(key), value, tuple(Shape), entry.problems)
    if len(inner.values) != 1:
        entry.wrong(key, f"wanted one of {', '.join(Shape)}")
        return Spread(Shape.EXPONENTIAL, 1.0)
    shape = Shape(next(iter(inner.values)))
    row = _row(inner, shape, 0.0, MINUTES_MAX)
    if len(row) != (1 if shape is Shape.EXPONENTIAL else 2):
        inner.wrong(shape, "wanted one number, the mean, or two for the others")
        return Spread(Shape.EXPONENTIAL, 1.0)
    first, second = (*row, 0.0)[:2]
    if shape is Shape.UNIFORM and second < first:
        inner.wrong(shape, f"goes from {first:g} to {second:g}, which is less")
    return Spread(shape, first, second)


def _row(entry: Fields, key: str, low: float, high: float) -> tuple[float, ...]:
    """Read one number, or one for each period."""
    value = entry.values.get(key)
    many = value if isinstance(value, list) else [value]
    if key not in entry.values or not 0 < len(many) <= PERIODS_MAX:
        entry.wrong(key, f"wanted a number, or 1 to {PERIODS_MAX} of them")
        return (low,)
    return tuple(_checked(entry, key, one, low, high) for one in many)


def _number(entry: Fields, key: str, low: float, high: float, default: float) -> float:
    if key not in entry.values:
        return default
    return _checked(entry, key, entry.values[key], low, high)


def _checked(entry: Fields, key: str, value: object, low: float, high: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, int | float) and number and isfinite(value) and low <= value <= high:
        return float(value)
    entry.wrong(key, f"wanted a number from {low:g} to {high:g}, got {str(value)[:40]}")
    return low
