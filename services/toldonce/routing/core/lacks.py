"""What somebody lacks for a piece of work, by the configuration alone, as gate and detail."""

from collections.abc import Mapping
from typing import Final

from toldonce.kernel.skills import Gate as StandingGate
from toldonce.kernel.skills import Requirement
from toldonce.routing.core.types import Gate

type Finding = tuple[Gate, str]

_STANDING: Final = {
    StandingGate.QUEUE: Gate.QUEUE,
    StandingGate.EXCLUDED: Gate.EXCLUDED,
    StandingGate.SKILL: Gate.SKILL,
    StandingGate.LEVEL: Gate.SKILL,
    StandingGate.LANGUAGE: Gate.LANGUAGE,
}


def finding(gate: StandingGate, has: Mapping[str, int], wants: Requirement) -> Finding:
    """Say what somebody with these skills lacks, in words of the configuration."""
    return _STANDING[gate], _detail(gate, has, wants)


def _detail(gate: StandingGate, has: Mapping[str, int], wants: Requirement) -> str:
    match gate:
        case StandingGate.QUEUE:
            return f"not on queue {wants.queue}"
        case StandingGate.LANGUAGE:
            return f"language {wants.language}"
        case StandingGate.SKILL | StandingGate.LEVEL:
            for name, level in wants.skills:
                if has.get(name, 0) < level:
                    return f"skill {name} {has.get(name, 0)} < {level}"
        case _:
            pass
    return str(gate)
