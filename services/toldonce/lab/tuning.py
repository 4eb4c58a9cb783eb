"""Tune a policy on simulated days; a rule that somebody wrote stays unless it is surely beaten.

Every rule given is tried first, and several searches begin from the best of them. A generation has
days of its own, the same for all its candidates and for the best rule (common random numbers), so
that nothing is tuned to the luck of some days; what luck did to that rule is taken out of what all
of them came to. What the searches end with is tried on other days,
and the best of that is held against the best rule on days that nothing has been chosen by: it is
better when the interval of 95 percent of the difference on the same days says so. The days are
simulated by the real routing core, compiled or not: its compiled twin is the same source (ADR 14).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil

from toldonce.lab.estimate import Estimate, beside, compared, whole
from toldonce.lab.knobs import TERMS, Knobs
from toldonce.lab.running import Plan, Result, run
from toldonce.lab.scenario import Policy, Scenario
from toldonce.lab.starts import Key, Starts
from toldonce.lab.sums import Sums, expected, figures

EVALUATIONS_MIN = 10
CONTACTS = 100_000  # an evaluation is as long as brings so many, unless somebody says
CHOICE = 4  # evaluations' worth of days, to choose among what was found
PROOF = 12  # evaluations' worth of days, to hold it against the best rule
RULES_PROVEN_MAX = 3
ROUNDS_MAX = 100_000
_PIECES = 16  # of endless days, for the proof
_SEEDS = 1_000_000  # of days, for each seed that is given
_CHOICE_SEED, _PROOF_SEED = _SEEDS - 2, _SEEDS - 1


class End(StrEnum):
    """Why the search ended."""

    EVALUATIONS = "evaluations"
    MINUTES = "minutes"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to try: `hours` are simulated ones an evaluation (0: as bring 100 000 contacts).

    `minutes` are real ones for everything: no generation is begun that would leave too few for the
    proof. The result follows from the seed, unless it was the minutes that ended it.
    """

    evaluations: int = 200
    starts: int = 3
    minutes: float = 15.0
    hours: float = 0.0
    seed: int = 1
    processes: int = 0
    terms: Sequence[str] = TERMS


@dataclass(frozen=True, slots=True)
class Round:
    """One generation: the figure of the best rule and of the best candidate, on the same days."""

    evaluations: int
    rule: float
    best: float


@dataclass(slots=True)
class Tuned:
    """What came of it: the best rule, `written`, and what was found if anything was, on equal days.

    `differences` are by how much the figures of `found` are above those of the rule; empty where
    there was no proof. `better`: in the scenario's own figure they are surely below.
    """

    scenario: Scenario
    hours: float
    rule: Result
    written: Policy
    policy: Policy
    found: Result | None = None
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    better: bool = False
    ended: End = End.EVALUATIONS
    evaluations: int = 0
    rounds: list[Round] = field(default_factory=list)


def _nothing(*_: object) -> None:
    """Hear nothing."""


class Tuner:
    """One tuning of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        rules: Sequence[Policy],
        effort: Effort,
        clock: Callable[[], float],
        *,
        told: Callable[[str, int, int], None] = _nothing,
        heard: Callable[[Round], None] = _nothing,
    ) -> None:
        """Prepare; raises Invalid for terms that cannot be tuned.

        `clock` gives seconds; `told` hears how far a stage is, and `heard` of every generation.
        """
        self._effort = effort
        self._clock = clock
        self._told, self._heard = told, heard
        self._rules = {rule.name: rule for rule in rules}
        self._knobs = {rule.name: Knobs(scenario, rule, effort.terms) for rule in rules}
        self._scenario = scenario
        contacts = sum(expected(scenario, number) for number in range(len(scenario.types)))
        usual = CONTACTS * scenario.length / max(contacts, 1.0)
        self._minutes = 60 * effort.hours or usual  # an evaluation

    def run(self) -> Tuned:
        """Tune. An interrupt ends the search, and the proof follows; another ends that too."""
        begun_s = self._clock()
        tried = self._try("rules", list(self._rules.values()), CHOICE, _CHOICE_SEED)
        each_s = (self._clock() - begun_s) / (CHOICE * len(tried))
        tried.sort(key=self._order)
        rules = [self._rules[one.policy] for one in tried]
        kept = self._kept(tried)
        first = self._cut(CHOICE)[0]
        tuned = Tuned(first, self._minutes / 60, tried[0], rules[0], rules[0])
        effort = self._effort
        knobs = [self._knobs[rule.name] for rule in rules]
        starts = Starts(knobs, effort.starts, effort.evaluations, effort.seed)
        proof_s = each_s * (2 * CHOICE * len(starts) + PROOF * (len(kept) + 1))
        try:
            self._search(tuned, starts, begun_s + 60 * effort.minutes - proof_s)
        except KeyboardInterrupt:
            tuned.ended = End.ASKED
        try:
            self._prove(tuned, kept, starts.ends())
        except KeyboardInterrupt:
            tuned.ended = End.ASKED
        return tuned

    def _search(self, tuned: Tuned, starts: Starts, until_s: float) -> None:
        """Let the searches go on until evaluations or minutes are used up, at least once."""
        begun_s = self._clock()
        known_well = whole(tuned.rule.groups)
        for number in range(ROUNDS_MAX):
            asked = [tuned.written, *starts.ask()]
            each_s = (self._clock() - begun_s) / max(tuned.evaluations, 1)
            if number and tuned.evaluations + len(asked) > self._effort.evaluations:
                return
            if number and self._clock() + each_s * len(asked) > until_s:
                tuned.ended = End.MINUTES
                return
            tried = self._try("search", asked, 1, number)
            known, *found = [whole(one.groups) for one in tried]
            keys = [self._key(beside(one, known, known_well), tuned.scenario) for one in found]
            starts.tell(keys)
            tuned.evaluations += len(asked)
            best = tried[1 + keys.index(min(keys))]
            said = (self._order(tried[0])[0], self._order(best)[0])
            tuned.rounds.append(Round(tuned.evaluations, *said))
            self._heard(tuned.rounds[-1])

    def _prove(self, tuned: Tuned, kept: Sequence[Policy], ends: Sequence[Policy]) -> None:
        """Choose among what was found, and hold it against the best rules on days unseen."""
        if not ends:
            return
        tuned.policy = ends[0]
        chosen = self._try("choice", ends, CHOICE, _CHOICE_SEED)
        place = min(range(len(chosen)), key=lambda one: self._order(chosen[one]))
        tuned.policy, tuned.found = ends[place], chosen[place]
        *held, found = self._try("proof", [*kept, tuned.policy], PROOF, _PROOF_SEED)
        tuned.rule, tuned.found = min(held, key=self._order), found
        tuned.written, tuned.scenario = self._rules[tuned.rule.policy], self._cut(PROOF)[0]
        tuned.differences = {
            name: compared(found.groups, tuned.rule.groups, tuned.scenario, name, share=False)
            for name in found.figures
        }
        own = tuned.differences[self._scenario.figure.value]
        tuned.better = own.value + own.half_width < 0

    def _kept(self, tried: Sequence[Result]) -> list[Policy]:
        """Give the rules, best first, that are not surely worse than the best."""
        own = self._scenario.figure.value
        best, kept = tried[0], [self._rules[tried[0].policy]]
        for other in tried[1:]:
            off = compared(other.groups, best.groups, self._cut(CHOICE)[0], own, share=False)
            if off.value <= off.half_width:
                kept.append(self._rules[other.policy])
        return kept[:RULES_PROVEN_MAX]

    def _try(self, stage: str, policies: Sequence[Policy], many: int, days: int) -> list[Result]:
        """Run policies on so many evaluations' worth of the same days."""
        seed = self._effort.seed * _SEEDS + days
        scenario, replications = self._cut(many)
        plans = [Plan(scenario, policy, replications, seed) for policy in policies]
        return run(plans, self._effort.processes, lambda done, of: self._told(stage, done, of))

    def _cut(self, many: int) -> tuple[Scenario, int]:
        """Say what one replication is, and how many are so many evaluations."""
        scenario = self._scenario
        if not scenario.warm_up:
            return scenario, max(2, ceil(many * self._minutes / scenario.length))
        pieces = min(2 * many, _PIECES)
        return replace(scenario, periods=(many * self._minutes / pieces,)), pieces

    def _order(self, result: Result) -> Key:
        return tuple(result.figures[name].plain for name in self._names())

    def _key(self, sums: Sums, scenario: Scenario) -> Key:
        found = figures(sums, scenario)
        return tuple(found[name] for name in self._names())

    def _names(self) -> tuple[str, ...]:
        """Order by the figure; where nothing is left of it, by what is near."""
        return self._scenario.figure.value, "J", "mean_wait"
