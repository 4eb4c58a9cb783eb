"""Ownership is a lease on presence: agents vanish, and come back, on real binds over stand-ins."""

import asyncio
import re

import pytest

from tests.unit.routing_service.world import DOCUMENT, TENANT, close, handoff_to_agent, world
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.errors import Rejected
from toldonce.kernel.story.events import (
    HandoffCancelled,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
)
from toldonce.routing.core.types import Schedule
from toldonce.routing.handler.declaring import Declaring
from toldonce.routing.wire.tables import read_declared, write_declared

pytestmark = pytest.mark.looptime

CHANNELS = """
  - {name: email, kind: email, cost: 1, queue: help,
     owner_absent: {policy: backup, grace_s: 5, backup_s: 20}}
  - {name: shop, kind: shop, cost: 1, queue: help,
     owner_absent: {policy: keep, grace_s: 5, keep_max_s: 60}}
topics:"""
WARD = re.sub(
    r"(name: ann, .*queues: \[help\])",
    r"\1, substitute: bob",
    DOCUMENT.replace("\ntopics:", CHANNELS),
)
UNSKILLED = re.sub(r"(name: ann, .*skills: \{)talk: 3", r"\1lead: 1", WARD)


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def held(*cases):
    return [routing_pb2.HeldCase(case_id=case.case_id, epoch=case.epoch) for case in cases]


async def owned_by_ann(system, process, channel):
    """A case of this channel that ann owns, while bob is there too."""
    ann = await system.agent(process, "ann")
    await system.contact(channel=channel)
    case = await ann.accept(await ann.offer())
    bob = await system.agent(process, "bob")
    return ann, bob, case


async def test_owner_who_returns_after_a_requeue_is_told_who_has_the_case_now(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "chat")
        await ann.vanish()
        taken = await bob.accept(await bob.offer())
        released = of(await system.events(case.case_id), OwnershipReleased)
        assert [one.reason for one in released] == ["OWNER_GONE_REQUEUE"]
        again = await system.agent(process, "ann", held=held(case))
        (welcome,) = again.all("welcome")
        assert not welcome.cases
        (lost,) = welcome.lost
        assert (lost.case_id, lost.owner, lost.epoch) == (case.case_id, "bob", taken.epoch)
        with pytest.raises(Rejected) as refused:
            await close(system, case)
        assert refused.value.reason == "NOT_OWNER"


async def test_owner_back_before_the_backup_accepts_goes_on_under_their_epoch(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "email")
        await ann.vanish()
        offer = await bob.offer()
        (lapsed,) = of(await system.events(case.case_id), OwnershipLapsed)
        assert (lapsed.rule, lapsed.backup, lapsed.agent) == ("OWNER_GONE_BACKUP", "bob", "ann")
        assert offer.epoch == case.epoch
        again = await system.agent(process, "ann", held=held(case))
        (welcome,) = again.all("welcome")
        assert [(one.case_id, one.epoch) for one in welcome.cases] == [(case.case_id, case.epoch)]
        assert not welcome.lost
        told = await again.wait(
            lambda: [one for one in again.all("case_changed") if "OwnershipResumed" in one.what]
        )
        assert told[0].case.ownership_state == types_pb2.OWNERSHIP_STATE_OWNED
        await bob.wait(lambda: bob.all("offer_ended"))
        assert (await close(system, case)).disposition == "done"
        assert len(of(await system.events(case.case_id), OwnershipResumed)) == 1


async def test_backup_who_accepts_takes_over_and_the_old_epoch_is_refused(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "email")
        await ann.vanish()
        taken = await bob.accept(await bob.offer())
        assert (taken.owner, taken.epoch) == ("bob", case.epoch + 1)
        again = await system.agent(process, "ann", held=held(case))
        assert [one.owner for one in again.all("welcome")[0].lost] == ["bob"]
        with pytest.raises(Rejected):
            await close(system, case)
        await asyncio.sleep(60)
        events = await system.events(case.case_id)
        assert not of(events, OwnershipReleased)
        assert not of(events, OwnershipResumed)


async def test_taking_over_a_lapsed_case_does_not_count_as_a_wait_since_it_came(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        judged = []
        process.seat.waits._judged = judged.append  # noqa: SLF001 - beside the metrics
        ann, bob, _ = await owned_by_ann(system, process, "email")
        await asyncio.sleep(300)
        await ann.vanish()
        await bob.accept(await bob.offer())
        await asyncio.sleep(1)
        assert [one.wait_s < 10.0 for one in judged] == [True]


async def test_next_leader_gives_an_absent_owner_the_whole_grace_again(tmp_path):
    async with world(tmp_path, WARD) as system:
        leader = await system.process()
        await system.wait(lambda: leader.epoch)
        standby = await system.process()
        ann, bob, case = await owned_by_ann(system, standby, "email")
        await ann.vanish()
        await asyncio.sleep(4)
        await leader.kill()
        await system.wait(lambda: standby.epoch)
        began_s = asyncio.get_running_loop().time()
        offer = await bob.offer()
        assert 4.9 <= asyncio.get_running_loop().time() - began_s <= 7.0
        assert offer.case_id == case.case_id
        assert len(of(await system.events(case.case_id), OwnershipLapsed)) == 1


async def test_lapse_that_nobody_ends_puts_the_case_back_by_its_rule(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "email")
        await ann.vanish()
        await bob.offer()
        await bob.vanish()
        await asyncio.sleep(30)
        events = await system.events(case.case_id)
        assert [one.reason for one in of(events, OwnershipReleased)] == ["OWNER_GONE_BACKUP"]


async def test_owner_still_away_after_a_handoff_that_found_nobody_is_given_up_again(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "email")
        await ann.vanish()
        await bob.offer()
        body = {"begin_handoff": handoff_to_agent(case, "cat")}
        await system.command(options_pb2.ROLE_SUPERVISOR, "sue", **body)
        await bob.wait(lambda: bob.all("offer_ended"))
        await bob.offer(1)
        events = await system.events(case.case_id)
        assert [one.reason for one in of(events, HandoffCancelled)] == ["TIMED_OUT"]
        assert [one.backup for one in of(events, OwnershipLapsed)] == ["bob", "bob"]


async def test_channel_that_keeps_waits_for_its_owner(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "shop")
        await ann.vanish()
        await asyncio.sleep(40)
        assert process.seat.shell.engine.kept == 1
        assert not bob.all("offer_issued")
        again = await system.agent(process, "ann", held=held(case))
        assert [one.epoch for one in again.all("welcome")[0].cases] == [case.epoch]
        assert (await close(system, case)).disposition == "done"


async def test_owner_who_loses_the_skill_loses_the_case_and_hears_of_it(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "chat")
        await system.apply(UNSKILLED)
        offer = await bob.offer()
        assert offer.case_id == case.case_id
        released = of(await system.events(case.case_id), OwnershipReleased)
        assert [one.reason for one in released] == ["LOST_RIGHT_REQUEUE"]
        told = await ann.wait(
            lambda: [one for one in ann.all("case_changed") if "OwnershipReleased" in one.what]
        )
        assert (told[0].case.owner, told[0].case.epoch) == ("", case.epoch + 1)


async def test_owner_whose_shift_ends_is_relieved_though_they_are_connected(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        ann, bob, case = await owned_by_ann(system, process, "email")
        plan = Declaring(system.servers.agents, system.clock, read_declared, write_declared)
        await plan.plan(TENANT, "ann", Schedule.OFF_SHIFT)
        offer = await bob.offer()
        (lapsed,) = of(await system.events(case.case_id), OwnershipLapsed)
        assert lapsed.rule == "OWNER_OFF_SHIFT_BACKUP"
        assert (await bob.accept(offer)).owner == "bob"
        told = ann.all("case_changed")[-1]
        assert told.case.owner == "bob"


async def test_adviser_is_told_that_they_are_with_a_case_and_that_they_are_not(tmp_path):
    async with world(tmp_path, WARD) as system:
        process = await system.process()
        _, _, case = await owned_by_ann(system, process, "chat")
        cat = await system.agent(process, "cat")
        join = ownership_pb2.JoinConsultRequest(case_id=case.case_id, agent="cat")
        await system.as_agent("ann", join_consult=join)
        told = await cat.wait(lambda: cat.all("case_changed"))
        assert (list(told[0].what), told[0].case.owner) == (["ConsultJoined"], "ann")
        await cat.vanish()
        again = await system.agent(process, "cat")
        assert [one.case_id for one in again.all("case_changed")] == [case.case_id]
        leave = ownership_pb2.LeaveConsultRequest(case_id=case.case_id, agent="cat")
        await system.as_agent("ann", leave_consult=leave)
        await again.wait(
            lambda: [one for one in again.all("case_changed") if "ConsultLeft" in one.what]
        )
        assert not cat.all("offer_issued")


CROWD = 60
NAMES = [f"a{number:02}" for number in range(CROWD)]
LINE = "  - {{name: {}, capacity_units: 1, languages: {{en: 5}}, skills: {{talk: 3, lead: 3}}}}\n"
MANY = WARD.partition("agents:")[0] + "agents:\n" + "".join(LINE.format(name) for name in NAMES)


async def test_whole_crowd_that_drops_and_reconnects_over_longer_than_the_grace_loses_nothing(
    tmp_path,
):
    async with world(tmp_path, MANY) as system:
        process = await system.process()
        agents = {name: await system.agent(process, name) for name in NAMES}
        await system.wait(lambda: process.epoch)
        for _ in range(CROWD):
            await system.contact()
        cases = {name: await agent.accept(await agent.offer()) for name, agent in agents.items()}
        for agent in agents.values():
            await agent.vanish()
        for number, name in enumerate(NAMES):
            if number % 6 == 0:
                await asyncio.sleep(1)
            agents[name] = await system.agent(process, name, held=held(cases[name]))
        await asyncio.sleep(60)
        for name, case in cases.items():
            (welcome,) = agents[name].all("welcome")
            assert [one.case_id for one in welcome.cases] == [case.case_id]
            assert not of(await system.events(case.case_id), OwnershipReleased | OwnershipLapsed)
