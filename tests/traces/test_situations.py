"""Situations that every supervisor knows, as the engine saw them."""

from collections.abc import Callable

from tests.traces.narrator import Narrator
from tests.unit.routing.world import office, person, weighed, with_hours, with_overflow
from toldonce.kernel.config.success import Mode, Success
from toldonce.kernel.skills import Step
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import LeadershipChanged

type Golden = Callable[[str, str], None]


def test_supervisor_reads_how_a_burst_is_served_in_order(golden: Golden) -> None:
    tale = Narrator(office(person("anna", units=2), person("bob"))).open_doors()
    names = ("kim", "lee", "max", "ned", "oda")
    for name in names:
        tale.comes(name)
        tale.wait(1)
    tale.asks_why("a supervisor", "oda")
    tale.takes("kim", "lee", "max")
    tale.wait(55)
    tale.ends("lee")
    tale.wait(5)
    tale.ends("kim")
    golden("burst", tale.text)


def test_supervisor_reads_how_scarce_seniors_are_spared(golden: Golden) -> None:
    """A senior is worth 5 points less and work 10 points a minute more: half a minute apart."""
    config = office(
        person("anna", billing=2),
        person("sara", billing=5, technical=5, group="seniors"),
        weigh=weighed(10, seniors=-5),
    )
    tale = Narrator(config).open_doors()
    tale.comes("kim")
    tale.takes("kim")
    tale.wait(10)
    tale.comes("lee")
    tale.asks_why("a supervisor", "lee")
    tale.wait(10)
    tale.says("anna is done with kim before lee has waited long enough for sara")
    tale.ends("kim")
    tale.takes("lee")
    tale.wait(5)
    tale.comes("max")
    tale.wait(40)
    golden("scarce_senior", tale.text)


def test_supervisor_reads_how_languages_are_mixed(golden: Golden) -> None:
    config = office(
        person("anna", "en", "de"),
        person("bob", "en"),
        person("cleo", "de"),
        steps=(Step(60, any_language=True),),
    )
    tale = Narrator(config).open_doors()
    tale.comes("kim", language="de")
    tale.comes("lee", language="en")
    tale.comes("max", language="de")
    tale.takes("kim", "lee", "max")
    tale.wait(5)
    tale.comes("ned", language="de")
    tale.wait(5)
    tale.comes("oda", language="en")
    tale.wait(5)
    tale.says("bob, who speaks en alone, is free first: oda is his though ned came before")
    tale.ends("lee")
    tale.wait(5)
    tale.ends("max")
    tale.comes("pia", language="pl")
    tale.says("nobody here speaks pl, so it is not asked for")
    tale.wait(5)
    tale.takes("oda")
    tale.ends("oda")
    golden("language_mix", tale.text)


def test_supervisor_reads_how_a_new_leader_goes_on(golden: Golden) -> None:
    tale = Narrator(office(person("anna"), person("bob"))).open_doors()
    tale.comes("kim")
    tale.takes("kim")
    tale.wait(5)
    tale.comes("lee")
    tale.comes("max")
    tale.wait(3)
    tale.says("the engine is lost; while nobody leads, anna accepts lee and bob closes kim")
    standby = Engine("demo")
    for fact, at in tale.facts:
        if not isinstance(fact, LeadershipChanged):
            standby.step(fact, at)
    tale.engine = standby
    tale.accept("lee")
    tale.close("kim")
    tale.wait(6)
    tale.says("the standby, which knows the same, takes over")
    tale.tell(LeadershipChanged(2))
    tale.takes("max")
    tale.wait(30)
    golden("failover", tale.text)


def test_supervisor_reads_how_a_vip_comes_first_but_not_for_ever(golden: Golden) -> None:
    """Priority is points, and so is waiting: 30 points are three minutes of waiting."""
    tale = Narrator(office(person("anna"), prefer_owner_s=0)).open_doors()
    tale.comes("kim")
    tale.takes("kim")
    tale.comes("lee")
    tale.wait(60)
    tale.says("vera is a VIP: 30 points, as much as three minutes of waiting")
    tale.comes("vera", priority=30)
    tale.wait(30)
    tale.says("lee has waited a minute and a half, vera half a minute")
    tale.ends("kim")
    tale.takes("vera")
    tale.wait(120)
    tale.says("vito is a VIP too, but lee has waited three and a half minutes")
    tale.comes("vito", priority=30)
    tale.ends("vera")
    golden("vip", tale.text)


def test_supervisor_reads_how_wrap_up_holds_capacity(golden: Golden) -> None:
    tale = Narrator(office(person("anna", units=3))).open_doors()
    tale.comes("kim", channel="voice")
    tale.takes("kim")
    tale.wait(60)
    tale.says("anna closes kim and has 30 s for the paperwork")
    tale.wrap_up("kim", 30)
    tale.wait(5)
    tale.comes("lee", channel="voice")
    tale.asks_why("a supervisor", "lee")
    tale.wait(30)
    golden("wrap_up", tale.text)


def test_supervisor_reads_how_a_full_queue_overflows(golden: Golden) -> None:
    config = office(
        person("anna", queues=("billing",)), person("bob", queues=("experts",)), prefer_owner_s=0
    )
    tale = Narrator(with_overflow(config, "billing", "experts", waiting_max=1)).open_doors()
    tale.says("billing holds one who waits; whoever comes then goes to experts, once")
    tale.comes("kim")
    tale.takes("kim")
    tale.wait(10)
    tale.comes("lee")
    tale.wait(10)
    tale.comes("max")
    tale.takes("max")
    tale.wait(10)
    tale.comes("ned")
    tale.asks_why("a supervisor", "ned")
    tale.wait(10)
    tale.says("bob closes max, and anna closes kim")
    tale.close("max")
    tale.close("kim")
    golden("overflow", tale.text)


def test_supervisor_reads_how_a_closed_queue_opens(golden: Golden) -> None:
    plain = office(person("anna"), person("bob"))
    tale = Narrator(with_hours(plain, "billing", ("10:01", "10:30"))).open_doors()
    tale.says("billing opens at 10:01")
    tale.comes("kim")
    tale.asks_why("a supervisor", "kim")
    tale.wait(20)
    tale.comes("lee", "technical")
    tale.takes("lee")
    tale.wait(45)
    golden("closed_queue_opens", tale.text)


def test_supervisor_reads_how_several_are_asked_at_once_at_nobodys_cost(golden: Golden) -> None:
    people = [person(name) for name in ("anna", "bob", "cleo")]
    tale = Narrator(office(*people, rounds={"billing": 3})).open_doors(all_in=False)
    for name in ("anna", "bob", "cleo"):
        tale.log_on(name)
        tale.wait(1)
    tale.comes("kim")
    tale.wait(2)
    tale.comes("lee")
    tale.wait(2)
    tale.turns_down("kim", "anna")
    tale.wait(2)
    tale.takes("kim")
    tale.wait(2)
    tale.ends("kim")
    tale.wait(1)
    tale.comes("max")
    tale.wait(3)
    tale.first_to_take("max", "cleo")
    golden("round", tale.text)


def test_supervisor_reads_how_success_is_learned_and_measured(golden: Golden) -> None:
    """The first half hour of this day is on, the second off."""
    success = Success(Mode.ACTIVE, explore=0, repeat_s=3_600)
    config = office(person("anna"), person("bob"), prefer_owner_s=0, success=success)
    tale = Narrator(config).open_doors()
    tale.says("nothing is known yet: the longest idle comes first")
    tale.comes("kim", topic="refunds")
    tale.takes("kim")
    tale.comes("lee", topic="refunds")
    tale.takes("lee")
    tale.wait(60)
    tale.ends("kim")
    tale.says("who has lee hands it over, and kim's owner ends it")
    tale.hand_over("lee", TargetKind.QUEUE, "billing")
    tale.takes("lee")
    tale.wait(60)
    tale.ends("lee")
    tale.comes("max", topic="refunds")
    tale.takes("max")
    tale.wait(60)
    tale.ends("max")
    tale.says("max is back about the same within the hour: that was no success")
    tale.comes("max/again", topic="refunds")
    tale.takes("max/again")
    tale.wait(60)
    tale.ends("max/again")
    tale.wait(1_740)
    tale.says("half an hour later success is off, so that its effect is seen")
    tale.comes("ned", topic="refunds")
    golden("success", tale.text)


def test_supervisor_reads_how_callbacks_keep_their_place(golden: Golden) -> None:
    tale = Narrator(office(person("anna", units=3))).open_doors()
    for name in ("kim", "lee", "max", "ned"):
        tale.comes(name, channel="voice")
        tale.wait(1)
    tale.takes("kim")
    tale.wants_a_call("lee")
    tale.wants_a_call("max", seconds=300)
    tale.wait(56)
    tale.asks_why("a supervisor", "max")
    tale.ends("kim")
    tale.takes("lee")
    tale.wait(240)
    tale.comes("oda", channel="voice")
    tale.ends("lee")
    tale.says("it is not yet time for max: ned, who waits, has anna")
    tale.takes("ned")
    tale.wait(60)
    tale.ends("ned")
    golden("callbacks", tale.text)
