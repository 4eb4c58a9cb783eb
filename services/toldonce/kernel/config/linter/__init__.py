"""The policy linter: what in a readable document cannot work, or hardly as meant.

`kernel.config.lint` refuses what no service should run under, and is asked whenever a document is
read. This looks further, and is asked when a document is checked or applied, never about one that
stands: a stricter linter must not take a running company's configuration from it.

Each module holds the definitions of its rules. `findings` needs nothing, `planning.load` a solver.
"""

from datetime import datetime

from toldonce.kernel.config.linter.aiming import never_holding
from toldonce.kernel.config.linter.climbing import handing_to_nobody
from toldonce.kernel.config.linter.crew import Crew, works
from toldonce.kernel.config.linter.dated import never_open, running_out
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity
from toldonce.kernel.config.linter.fitting import kept_out, too_dear
from toldonce.kernel.config.linter.planning import NEAR_FULL, Load, load, overloaded
from toldonce.kernel.config.linter.programme import Program, Row, Solution, Solver
from toldonce.kernel.config.linter.ranking import inverted
from toldonce.kernel.config.linter.reaching import unreachable, unused
from toldonce.kernel.config.linter.relaxing import idle_steps, late
from toldonce.kernel.config.linter.starving import bounds, left_apart, starved
from toldonce.kernel.config.types import Config

__all__ = [
    "Finding",
    "Rule",
    "Severity",
    "Load",
    "Program",
    "Row",
    "Solution",
    "Solver",
    "NEAR_FULL",
    "FINDINGS_MAX",
    "findings",
    "load",
    "overloaded",
]

FINDINGS_MAX = 100
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def findings(
    config: Config, found: Load | None = None, now: datetime | None = None
) -> tuple[Finding, ...]:
    """Look at a document that `lint` has passed; at most `FINDINGS_MAX`, the worst first.

    `found` is what `load` said, if it was asked: it adds what is wrong with the load. `now` adds
    what is wrong with the calendars from then on.
    """
    crew = Crew(config)
    all_work = works(config, crew)
    busy = found is not None and found.rho >= NEAR_FULL
    seen = [
        *too_dear(config, crew, all_work),
        *(() if found is None else overloaded(config, found)),
        *(() if now is None else (*never_open(config, now), *running_out(config, now))),
        *late(config, crew, all_work),
        *idle_steps(config, all_work),
        *inverted(config, crew, all_work),
        *starved(config, crew, all_work),
        *left_apart(config, crew, all_work),
        *bounds(config),
        *kept_out(config, crew, all_work, busy=busy),
        *unreachable(config),
        *never_holding(config),
        *handing_to_nobody(config),
        *unused(config),
    ]
    ranked = sorted(dict.fromkeys(seen), key=lambda one: _ORDER[one.severity])
    return tuple(ranked[:FINDINGS_MAX])
