"""What engines wrote down of themselves: the same facts lead to the same decisions, to the bit.

`P8` of the promises: every decision can be explained, for it can be made again.
"""

from collections import Counter

from tests.sim.house import TENANTS
from tests.sim.world import World
from toldonce.lab.replay import proof
from toldonce.runtime import names

Found = list[tuple[str, str]]


def check(world: World, checked: Counter[str]) -> Found:
    """Go through the journal of every tenant."""
    found: Found = []
    for tenant in TENANTS:
        went = proof(world.house.servers.trail.peek(names.decisions(tenant)))
        checked["journalled steps"] += went.steps
        if not went.identical:
            found.append(
                ("P8", f"{tenant}: {went.otherwise} steps go otherwise {went.differences}")
            )
    return found
