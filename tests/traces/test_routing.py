"""Six days in an office, as the engine saw them."""

from collections.abc import Callable

from tests.traces.narrator import Narrator
from tests.unit.routing.world import office, person
from toldonce.kernel.config.owning import AbsentPolicy, OwnerAbsent
from toldonce.kernel.skills import Step
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.types import Availability, Presence

type Golden = Callable[[str, str], None]


def test_supervisor_reads_how_a_decline_cools_down(golden: Golden) -> None:
    tale = Narrator(office(person("anna", billing=3), person("bob", billing=1))).open_doors()
    tale.says("kim writes to billing (billing >= 2)")
    tale.contact("kim", billing=2)
    tale.wait(4)
    tale.says("anna declines")
    tale.decline("kim")
    tale.asks_why("a supervisor", "kim")
    tale.wait(3)
    tale.says("lee writes to billing (billing >= 2)")
    tale.contact("lee", billing=2)
    tale.wait(2)
    tale.says("anna accepts lee, and closes it")
    tale.accept("lee")
    tale.close("lee")
    tale.wait(60)
    golden("decline_and_cool_down", tale.text)


def test_supervisor_reads_how_a_requirement_relaxes(golden: Golden) -> None:
    steps = (Step(30, lower_by=1), Step(60, lower_by=1, any_language=True))
    config = office(
        person("anna", "de", technical=3),
        person("bob", "en", technical=2),
        person("cleo", "de", technical=5),
        steps=steps,
    )
    tale = Narrator(config).open_doors(all_in=False)
    tale.log_on("anna")
    tale.log_on("bob")
    tale.log_on("cleo", Availability.AWAY)
    tale.says("kim writes to technical (de, technical >= 5); cleo is at lunch")
    tale.contact("kim", "technical", language="de", technical=5)
    tale.asks_why("a supervisor", "kim")
    tale.wait(29)
    tale.declare("anna", Availability.AWAY)
    tale.says("anna goes to lunch too")
    tale.wait(2)
    tale.asks_why("a supervisor", "kim")
    tale.wait(29)
    tale.says("anna is back at her desk")
    tale.declare("anna", Availability.AVAILABLE)
    golden("requirement_relaxes", tale.text)


def test_supervisor_reads_how_the_one_who_knows_the_case_is_preferred(golden: Golden) -> None:
    tale = Narrator(office(person("anna"), person("bob"), prefer_owner_s=20)).open_doors()
    tale.says("lee writes; bob had the case before")
    tale.contact("lee", before="bob")
    tale.accept("lee")
    tale.wait(5)
    tale.says("kim writes; bob had the case before and is busy with lee")
    tale.contact("kim", before="bob")
    tale.asks_why("a supervisor", "kim")
    tale.wait(30)
    golden("owner_preferred_then_anyone", tale.text)


def test_supervisor_reads_how_a_handoff_goes_to_a_queue(golden: Golden) -> None:
    config = office(
        person("anna", technical=4),
        person("bob", technical=3, queues=("technical",)),
        person("cleo", technical=1),
        queue_skills={"technical": (("technical", 3),)},
    )
    tale = Narrator(config).open_doors(all_in=False)
    tale.log_on("anna")
    tale.log_on("cleo")
    tale.says("kim writes to billing")
    tale.contact("kim", before="anna")
    tale.accept("kim")
    tale.wait(45)
    tale.says("anna hands kim over to the queue technical and stays the owner until then")
    tale.hand_over("kim", TargetKind.QUEUE, "technical", timeout_s=60)
    tale.asks_why("anna", "kim")
    tale.wait(25)
    tale.says("bob logs on")
    tale.log_on("bob")
    tale.wait(3)
    tale.says("bob accepts")
    tale.accept("kim")
    tale.says(f"kim belongs to {tale.case('kim').owner}, epoch {tale.case('kim').epoch}")
    golden("handoff_to_queue", tale.text)


def test_supervisor_reads_how_an_agent_vanishes(golden: Golden) -> None:
    tale = Narrator(office(person("anna", units=2), person("bob", units=2))).open_doors()
    tale.says("kim and lee write; anna had both cases before")
    tale.contact("kim", before="anna")
    tale.accept("kim")
    tale.wait(2)
    tale.contact("lee", before="anna")
    tale.wait(1)
    tale.says("anna's heartbeat stops while lee is being offered to her")
    tale.seen("anna", Presence.STALE)
    tale.wait(9)
    tale.says("anna counts as gone")
    tale.seen("anna", Presence.GONE)
    tale.wait(10)
    tale.says("bob accepts both")
    tale.accept("kim")
    tale.accept("lee")
    golden("agent_vanishes", tale.text)


def test_supervisor_reads_who_stands_in_for_an_absent_owner(golden: Golden) -> None:
    rule = OwnerAbsent(AbsentPolicy.BACKUP, grace_s=20, backup_s=40)
    config = office(
        person("anna", substitute="bob"),
        person("bob", substitute="cleo"),
        person("cleo"),
        person("dora"),
        absent={"email": rule},
    )
    tale = Narrator(config).open_doors(all_in=False)
    tale.log_on("anna")
    tale.says("kim writes a mail")
    tale.contact("kim", channel="email")
    tale.accept("kim")
    for name in ("bob", "cleo", "dora"):
        tale.log_on(name)
    tale.wait(30)
    tale.says("anna's line breaks; bob, who stands in for her, is at lunch")
    tale.declare("bob", Availability.AWAY)
    tale.seen("anna", Presence.STALE)
    tale.wait(25)
    tale.says("anna is back before cleo has answered")
    tale.seen("anna", Presence.CONNECTED)
    tale.wait(30)
    tale.says("anna's line breaks again")
    tale.seen("anna", Presence.STALE)
    tale.wait(22)
    tale.says("cleo is too busy for kim")
    tale.decline("kim")
    tale.accept("kim")
    tale.says(f"kim belongs to {tale.case('kim').owner}, epoch {tale.case('kim').epoch}")
    golden("who_stands_in", tale.text)
