"""Tells what the engine does in words that a supervisor can follow."""

from dataclasses import dataclass, field
from typing import Any

from tests.unit.routing.world import World
from toldonce.kernel.story.events import CallbackRequested
from toldonce.routing.core.acts import (
    CancelHandoff,
    ChangeQueue,
    CompleteWrapUp,
    Decision,
    ExpireOffer,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.core.overflow import in_words
from toldonce.routing.core.types import NEEDED, DecisionTrace, Gate


@dataclass
class Narrator(World):
    """A world that writes down each thing that happens."""

    lines: list[str] = field(default_factory=list)

    def says(self, text: str) -> None:
        """Write down what somebody did."""
        self.lines.append(f"{self.now:%H:%M:%S}  {text}")

    def comes(self, name: str, queue: str = "billing", **needs: Any) -> None:
        """Write down that a customer writes (or calls) for a queue, and what they need."""
        said = [needs["language"]] if "language" in needs else []
        plain = ("language", "channel", "priority", "before", "topic")
        said += [f"{k} >= {v}" for k, v in needs.items() if k not in plain]
        verb = "calls" if needs.get("channel") == "voice" else "writes to"
        self.says(f"{name} {verb} {queue}" + (f" ({', '.join(said)})" if said else ""))
        self.contact(name, queue, **needs)

    def takes(self, *names: str) -> None:
        """Write down who accepts a case, whoever was asked."""
        for name in names:
            self.says(f"{self.asked(name)} accepts {name}")
            self.accept(name)

    def first_to_take(self, name: str, agent: str) -> None:
        """Write down who of those asked at once accepts first, and whose offers end with that."""
        others = [one for one in self.all_asked(name) if one != agent]
        self.says(f"{agent} accepts {name}; taken, for {' and '.join(others)}")
        self.accept(name, by=agent)

    def turns_down(self, name: str, agent: str) -> None:
        """Write down that somebody declines."""
        self.says(f"{agent} declines {name}")
        self.decline(name, by=agent)

    def ends(self, name: str) -> None:
        """Write down that the owner of a case closes it."""
        self.says(f"{self.case(name).owner} closes {name}")
        self.close(name)

    def wants_a_call(self, name: str, seconds: float = 0) -> None:
        """Write down that a customer hangs up to be called back, in their turn or by then."""
        when = f" in {seconds / 60:g} minutes" if seconds else ""
        self.says(f"{name} hangs up, to be called back{when}")
        if seconds:
            self.put_off(name, seconds, callback=True)
        else:
            case = self.case(name)
            self.happen(self._ids(name)[0], CallbackRequested(case.own, None, ""))

    def asks_why(self, name: str, case: str) -> None:
        """Write down why a case waits."""
        trace = self.engine.explain(*self._ids(case), self.now)
        assert trace is not None
        self.says(f"{name} asks why {case} waits: {trace.reason}")
        self._candidates(trace)
        if trace.relaxes_at is not None:
            self.lines.append(f"            less is asked from {trace.relaxes_at:%H:%M:%S}")

    def obey(self, decision: Decision) -> None:
        who = self.names[decision.customer]
        match decision:
            case MakeOffer():
                self.says(f"=> {who} is offered to {decision.agent}: {decision.trace.reason}")
                self._candidates(decision.trace)
            case ExpireOffer():
                self.says(f"=> the offer of {who} to {decision.agent} has expired")
            case RevokeOffer():
                why = f" ({decision.reason})" if decision.reason == NEEDED else ""
                self.says(f"=> the offer of {who} to {decision.agent} is taken back{why}")
            case CancelHandoff():
                self.says(f"=> the handoff of {who} is given back ({decision.reason})")
            case CompleteWrapUp():
                self.says(f"=> the wrap-up of {who} by {decision.agent} is over")
            case ReleaseOwnership():
                self.says(f"=> {who} is taken from {decision.agent} ({decision.reason})")
            case LapseOwnership(agent=agent, rule=rule, backup=backup, lapse_s=lapse_s):
                whom = backup or "whoever the queue finds"
                self.says(
                    f"=> {who} may be taken over from {agent} by {whom}, {lapse_s} s ({rule})"
                )
            case ResumeOwnership():
                self.says(f"=> {who} is {decision.agent}'s again")
            case ChangeQueue():
                self.says(f"=> {who} {in_words(decision)}")
        super().obey(decision)

    def _candidates(self, trace: DecisionTrace) -> None:
        for line in trace.candidates:
            gate = "chosen" if line.gate is Gate.NONE else line.gate.name.lower().replace("_", " ")
            self.lines.append(f"            {line.agent:<6} {gate:<16} {line.detail}".rstrip())

    def _ids(self, case: str) -> tuple[str, str]:
        customer = next(cid for cid, name in self.names.items() if name == case)
        return customer, self.case(case).own

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
