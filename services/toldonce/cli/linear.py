"""Linear programmes for the planning of a configuration, by HiGHS in scipy.

Scipy takes a while to import: only who plans imports this module.
"""

from collections.abc import Sequence

from scipy.optimize import linprog
from scipy.sparse import coo_array

from toldonce.kernel.config.linter import Program, Row, Solution
from toldonce.kernel.errors import Invalid

LIMIT_S = 30.0


def solve(program: Program) -> Solution:
    """Find an optimum; raises Invalid where there is none, or none within `LIMIT_S`."""
    width = len(program.cost)
    found = linprog(
        program.cost,
        A_ub=_matrix(program.at_most, width),
        b_ub=[row.bound for row in program.at_most] or None,
        A_eq=_matrix(program.equal, width),
        b_eq=[row.bound for row in program.equal] or None,
        method="highs",
        options={"time_limit": LIMIT_S},
    )
    if not found.success:
        raise Invalid("forecast", f"cannot be planned for: {found.message}")
    return Solution(found.x.tolist(), found.eqlin.marginals.tolist())


def _matrix(rows: Sequence[Row], width: int) -> coo_array | None:
    if not rows:
        return None
    cells = [(at, column, factor) for at, row in enumerate(rows) for column, factor in row.entries]
    at = ([row for row, _, _ in cells], [column for _, column, _ in cells])
    return coo_array(([factor for _, _, factor in cells], at), shape=(len(rows), width))
