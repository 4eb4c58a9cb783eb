"""No history of an office breaks what the engine promises."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.routing.world import (
    COSTS,
    World,
    accepted,
    cid,
    office,
    own,
    person,
    with_hours,
    with_overflow,
)
from toldonce.kernel.config.owning import AbsentPolicy, OwnerAbsent
from toldonce.kernel.config.types import Config
from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.skills import Step, meets
from toldonce.kernel.story.events import (
    OfferDeclined,
    OwnershipLapsed,
    OwnershipReleased,
)
from toldonce.kernel.story.types import (
    OFFERS_MAX,
    Case,
    CaseState,
    Offer,
    TargetKind,
    WorkState,
)
from toldonce.routing.core.acts import (
    ChangeQueue,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    RevokeOffer,
)
from toldonce.routing.core.asking import OVERRIDABLE
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import AgentChanged, ConfigChanged, LeadershipChanged, OfferAsked
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.types import Availability, Gate, Presence, Schedule

AGENTS = ("anna", "bob", "cleo", "dora")
RULES = {
    *(
        f"{cause}_{done}"
        for cause in ("OWNER_GONE", "OWNER_OFF_SHIFT", "LOST_RIGHT", "DRAINED")
        for done in ("KEEP", "BACKUP", "REQUEUE")
    ),
    "BY_HAND",
} - {"LOST_RIGHT_KEEP"}
CHANNELS = ("chat", "email")
NAMES = tuple(f"c{i}" for i in range(6))


def config(revision: int = 1) -> Config:
    lower = revision % 2
    plain = office(
        person("anna", "en", "de", units=3, billing=3 + lower, substitute="bob"),
        person("bob", units=1, billing=1 + 3 * lower, substitute="dora"),
        person("cleo", "de", units=4, queues=("billing", "experts"), technical=2),
        person("dora", units=2, billing=5, technical=5),
        steps=(Step(25, lower_by=1), Step(50, any_language=True)),
        queue_skills={"technical": (("technical", 2),)},
        wait_max_s=120,
        revision=revision,
        absent={
            "chat": OwnerAbsent(AbsentPolicy.BACKUP, grace_s=20, backup_s=30),
            "email": OwnerAbsent(AbsentPolicy.KEEP, grace_s=20, keep_max_s=60),
        },
        rounds={"technical": 2} if revision == 2 else {"billing": 3, "technical": 2},
    )
    timed = with_hours(plain, "experts", ("10:01", "10:02"), ("10:03", "12:00"))
    spilling = with_overflow(timed, "technical", "billing", waiting_max=1)
    return with_overflow(spilling, "experts", "technical", closed=revision == 2)


agents = st.sampled_from(AGENTS)
gates = st.sampled_from(sorted(OVERRIDABLE))
customers = st.sampled_from(NAMES)
contacts = st.tuples(
    st.just("contact"),
    customers,
    st.sampled_from(("billing", "technical", "experts")),
    st.sampled_from(("en", "de", "pl")),
    st.sampled_from(tuple(COSTS)),
    st.sampled_from((0, 0, 0, 5, 900)),
    st.sampled_from(("", "", *AGENTS)),
    st.integers(0, 4),
)
acts = st.one_of(
    contacts,
    contacts,
    st.tuples(st.just("log_on"), agents),
    st.tuples(st.just("declare"), agents, st.sampled_from(Availability)),
    st.tuples(st.just("seen"), agents, st.sampled_from(Presence)),
    st.tuples(st.just("plan"), agents, st.sampled_from(Schedule)),
    st.tuples(st.just("vanish"), agents, st.integers(14, 45)),
    st.tuples(st.just("take all")),
    st.tuples(st.just("morning"), st.integers(1, 3)),
    st.tuples(st.just("morning"), st.integers(1, 3)),
    st.tuples(
        st.sampled_from(("accept", "accept", "decline", "close", "wrap", "release", "lapse")),
        customers,
    ),
    st.tuples(st.just("hand"), customers, st.sampled_from(TargetKind), agents),
    st.tuples(st.just("drain"), agents, st.booleans()),
    st.tuples(st.just("put off"), customers, st.integers(0, 90)),
    st.tuples(st.just("ask"), customers, agents, st.sampled_from(("", "VIP")), st.sets(gates)),
    st.tuples(st.just("next"), agents, st.sampled_from(("billing", "technical"))),
    st.tuples(st.just("wait"), st.integers(0, 40)),
    st.tuples(st.just("config"), st.integers(2, 3)),
    st.tuples(st.just("lead"), st.integers(0, 3)),
    st.tuples(st.just("deaf"), st.booleans()),
)


absences = st.one_of(
    st.tuples(st.just("vanish"), agents, st.integers(14, 45)),
    st.tuples(st.just("vanish"), agents, st.just(21)),
    st.tuples(st.just("log_on"), agents),
    st.tuples(st.just("plan"), agents, st.sampled_from(Schedule)),
    st.tuples(st.just("declare"), agents, st.sampled_from(Availability)),
    st.tuples(st.sampled_from(("accept", "decline", "close", "lapse")), customers),
    st.tuples(st.just("hand"), customers, st.sampled_from(TargetKind), agents),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("config"), st.integers(2, 3)),
    st.tuples(st.just("lead"), st.integers(1, 3)),
    st.tuples(st.just("take all")),
)

rounds = st.one_of(
    *[
        st.tuples(
            st.just("contact"),
            customers,
            st.sampled_from(("billing", "billing", "technical", "experts")),
            st.just("en"),
            st.sampled_from(("chat", "chat", "voice")),
            st.sampled_from((0, 0, 5)),
            st.sampled_from(("", "", "", "cleo")),
            st.just(0),
        )
    ]
    * 3,
    st.tuples(st.sampled_from(("accept", "accept", "decline", "close", "release")), customers),
    st.tuples(st.just("declare"), agents, st.sampled_from(Availability)),
    st.tuples(st.just("log_on"), agents),
    st.tuples(st.just("wait"), st.integers(0, 25)),
    st.tuples(st.just("hand"), customers, st.sampled_from(TargetKind), agents),
    st.tuples(st.just("ask"), customers, agents, st.sampled_from(("", "VIP")), st.just(set())),
    st.tuples(st.just("lead"), st.integers(1, 3)),
    st.tuples(st.just("deaf"), st.sampled_from((True, False, False, False))),
)


def desk() -> Config:
    """Everybody can do nearly everything, so there are others to be asked."""
    return office(
        person("anna", units=4),
        person("bob", units=3),
        person("cleo", units=1),
        person("dora", units=2, technical=2),
        queue_skills={"technical": (("technical", 1),)},
        steps=(Step(20, drop=("technical",)),),
        rounds={"billing": 3, "technical": 2},
    )


def play(world: World, act: tuple[object, ...]) -> None:
    match act:
        case (
            "contact",
            str(name),
            str(queue),
            str(lang),
            str(channel),
            int(prio),
            str(old),
            int(n),
        ):
            if world.stories.get(cid(name)) is None or not world.stories[cid(name)].cases:
                world.contact(
                    name,
                    queue,
                    language=lang,
                    channel=channel,
                    priority=prio,
                    before=old,
                    **({"billing": n} if n else {}),
                )
        case ("log_on", str(name)):
            world.log_on(name)
        case ("declare", str(name), Availability() as availability):
            world.declare(name, availability)
        case ("seen", str(name), Presence() as presence):
            world.seen(name, presence)
        case ("vanish", str(name), int(seconds)):
            world.seen(name, Presence.STALE)
            world.wait(seconds)
        case ("morning", int(epoch)):
            world.obeys = True
            if not world.engine.epoch:
                world.tell(LeadershipChanged(epoch))
            for name in AGENTS:
                world.plan(name, Schedule.ON_SHIFT)
                world.log_on(name)
        case ("ask", str(name), str(agent), str(forced), set() as passed):
            offer, gates_ = Own(derive("asked", len(world.facts))), frozenset(passed)
            once = OfferAsked(offer, agent, "sam", cid(name), own(name), forced, gates_)
            world.tell(once)
            world.tell(once)
        case ("drain", str(name), bool(back)):
            world.drain(name, hands_back=back)
        case ("next", str(agent), str(queue)):
            with suppress(Rejected):
                customer, case = world.engine.next_of(queue, agent, agent, world.now)
                offer = Own(derive("asked", len(world.facts)))
                decided = world.tell(OfferAsked(offer, agent, agent, customer, case))
                assert not world.engine.epoch or isinstance(decided[0], MakeOffer)
        case ("take all",):
            for customer, story in list(world.stories.items()):
                for case in story.cases:
                    move_case(world, "accept", world.names[customer], case, [])
        case ("plan", str(name), Schedule() as schedule):
            world.plan(name, schedule)
        case ("wait", int(seconds)):
            world.wait(seconds)
        case ("config", int(revision)):
            world.config = config(revision)
            world.tell(ConfigChanged(world.config))
        case ("lead", int(epoch)):
            world.tell(LeadershipChanged(epoch))
        case ("deaf", bool(deaf)):
            world.obeys = not deaf
        case (str(move), str(name), *rest):
            story = world.stories.get(cid(name))
            case = None if story is None else story.case(own(name))
            if case is not None:
                move_case(world, move, name, case, rest)


def move_case(world: World, move: str, name: str, case: Case, rest: list[object]) -> None:
    done = case.state is CaseState.CLOSED
    owned = bool(case.owner) and not done
    match move, rest:
        case "accept", _ if case.offers and not done:
            world.happen(cid(name), *accepted(case, some_offer(world, case)))
        case "decline", _ if case.offers and not done:
            offer = some_offer(world, case)
            world.happen(cid(name), OfferDeclined(offer.own, case.own, offer.agent, "busy"))
        case "close", _ if owned:
            world.close(name)
        case "lapse", _ if owned and case.handoff is None and case.lapse is None:
            until = world.now + timedelta(seconds=25)
            lapsed = OwnershipLapsed(case.own, case.owner, case.epoch, "BY_HAND", "", until)
            world.happen(cid(name), lapsed)
        case "wrap", _ if owned and case.handoff is None:
            world.wrap_up(name, 25)
        case "release", _ if owned:
            released = OwnershipReleased(case.own, case.owner, case.epoch + 1, "ASKED")
            world.happen(cid(name), released)
        case "put off", [int(seconds)] if not case.owner and not done:
            world.put_off(name, seconds, callback=bool(seconds % 2))
        case "hand", [TargetKind() as kind, str(agent)] if owned and case.handoff is None:
            to = agent if kind is TargetKind.AGENT else "technical"
            world.hand_over(name, kind, to, timeout_s=45)


def some_offer(world: World, case: Case) -> Offer:
    """Of those who are asked at once now this one answers, now that."""
    return case.offers[len(world.facts) % len(case.offers)]


def used(world: World) -> dict[str, int]:
    """The units each agent holds, by the log and by offers that were decided and not refused."""
    held = dict.fromkeys(AGENTS, 0)
    for story in world.stories.values():
        for case in story.cases:
            for holder in (case.owner, *(offer.agent for offer in case.offers)):
                if holder:
                    held[holder] += COSTS[case.channel]
    return held


def waiting(world: World) -> list[tuple[str, Case]]:
    return [
        (customer, case)
        for customer, story in world.stories.items()
        for case in story.cases
        if not case.offers
        and case.scheduled_at(world.now) is None
        and case.state is not CaseState.CLOSED
        and (case.handoff or case.lapse or (not case.owner and case.work is WorkState.QUEUED))
    ]


def check_no_agent_is_over_capacity_but_by_a_forced_overdraft(world: World) -> None:
    forced = {
        (one.agent, one.case) for one in world.said if isinstance(one, MakeOffer) and one.overdraft
    }
    overdrawn = {
        holder
        for story in world.stories.values()
        for case in story.cases
        for holder in (case.owner, *(offer.agent for offer in case.offers))
        if (holder, case.own) in forced
    }
    for agent, units in used(world).items():
        assert units <= world.config.agents[agent].capacity_units or agent in overdrawn


def check_only_the_forced_may_be_past_a_gate(world: World) -> None:
    """What an offer lists of its chosen is the gate it passes over; a pick only their own word."""
    own_word = {Gate.NONE, Gate.AVAILABILITY, Gate.COOL_DOWN}
    for one in world.said:
        if isinstance(one, MakeOffer) and not one.trace.reason.startswith("forced by"):
            (chosen,) = [line for line in one.trace.candidates if line.agent == one.agent]
            asked = "asked for it" in one.trace.reason
            assert chosen.gate in (own_word if asked else {Gate.NONE})
            assert not one.overdraft


def check_each_agent_has_one_gate_and_nobody_admitted_idles(world: World) -> None:
    if not world.engine.epoch or not world.obeys:
        return
    for customer, case in waiting(world):
        trace = world.engine.explain(customer, case.own, world.now)
        assert trace is not None
        if trace.chosen:
            continue  # decided, and the log does not say so yet
        assert sorted(line.agent for line in trace.candidates) == sorted(AGENTS)
        gates = {line.gate for line in trace.candidates}
        assert not gates & {Gate.NONE, Gate.OUTRANKED}, trace


def check_a_round_asks_different_agents_and_is_of_one_engine(world: World) -> None:
    for story in world.stories.values():
        for case in story.cases:
            assert len({one.agent for one in case.offers}) == len(case.offers) <= OFFERS_MAX
            assert len({one.engine_epoch for one in case.offers}) <= 1
            if case.handoff is not None and case.handoff.target_kind is TargetKind.AGENT:
                assert len(case.offers) <= 1


def held_beside(world: World) -> dict[str, int]:
    """The units each agent holds for cases that somebody else was asked for first."""
    held = dict.fromkeys(AGENTS, 0)
    for story in world.stories.values():
        for case in story.cases:
            for offer in case.offers[1:]:
                held[offer.agent] += COSTS[case.channel]
    return held


def called_back(world: World) -> set[str]:
    """Who was told in the last seconds that an offer goes; the log may not have heard of it."""
    latest = world.now - timedelta(seconds=5)
    told = zip(reversed(world.facts), reversed(world.outcomes), strict=True)
    recent = takewhile(lambda one: one[0][1] > latest, told)
    return {one.agent for _, said in recent for one in said if isinstance(one, RevokeOffer)}


def check_nobody_waits_for_whom_a_round_holds(world: World) -> None:
    if not world.engine.epoch or not world.obeys:
        return
    held, beside, coming = used(world), held_beside(world), called_back(world)
    for customer, case in waiting(world):
        trace = world.engine.explain(customer, case.own, world.now)
        assert trace is not None
        if trace.chosen or trace.reason.startswith("kept for"):
            continue
        for line in trace.candidates:
            if line.gate is Gate.CAPACITY and line.agent not in coming:
                needs, free = map(int, re.findall(r"\d+", line.detail)[:2])
                free = min(free, world.config.agents[line.agent].capacity_units - held[line.agent])
                assert free + beside[line.agent] < needs, (line, trace)


def check_everything_that_time_ends_has_a_wake_up(world: World) -> None:
    if not world.engine.epoch or world.engine.frozen_since is not None:
        return
    ends = [
        end
        for customer, story in world.stories.items()
        for case in story.cases
        for end in (
            *(offer.expires_at for offer in case.offers),
            case.handoff.expires_at if case.handoff else None,
            case.wrap_until if case.work is WorkState.WRAPPING else None,
            case.lapse.until_at if case.lapse and case.state is not CaseState.CLOSED else None,
            None if decided(world, customer, case) else case.scheduled_at(world.now),
        )
        if end is not None
    ]
    if ends:
        wake = world.engine.next_wake_at
        assert wake is not None
        # what is due already and was not obeyed is said again within five seconds
        assert wake <= max(min(ends), world.now + timedelta(seconds=5))


def decided(world: World, customer: str, case: Case) -> bool:
    """Tell whether the engine has decided an offer of which the log does not say anything yet."""
    trace = world.engine.explain(customer, case.own, world.now)
    return trace is not None and bool(trace.chosen) and not case.offers


def check_nothing_is_offered_before_its_time(world: World) -> None:
    for customer, story in world.stories.items():
        for case in story.cases:
            if case.scheduled_at(world.now):
                assert not case.offers
                assert world.engine.position(customer, case.own) == 0


def check_nobody_takes_over_from_themselves_or_past_the_backup(world: World) -> None:
    for story in world.stories.values():
        for case in story.cases:
            asked = {offer.agent for offer in case.offers}
            assert case.owner not in asked
            if case.lapse is not None and case.handoff is None and case.lapse.backup:
                assert asked <= {case.lapse.backup}


def check_each_release_and_lapse_names_its_rule(world: World) -> None:
    for one in world.said:
        match one:
            case ReleaseOwnership(reason=rule) | LapseOwnership(rule=rule):
                assert rule in RULES


def check_no_owner_is_given_up_who_can_see_to_the_case(world: World) -> None:
    assert world.unfair == []


def check_nothing_overflows_twice(world: World) -> None:
    for story in world.stories.values():
        assert all(len(case.former_queues) <= 1 for case in story.cases if not case.epoch)
    moves = [one for one in world.said if isinstance(one, ChangeQueue)]
    assert len({(one.case, one.queue) for one in moves}) == len({one.case for one in moves})


def check_the_kept_count_of_each_queue_is_what_a_count_finds(world: World) -> None:
    counted = {one.queue: one.waiting for one in world.engine.queues()}
    assert world.engine.queued() == counted


CHECKS: tuple[Callable[[World], None], ...] = (
    check_no_agent_is_over_capacity_but_by_a_forced_overdraft,
    check_only_the_forced_may_be_past_a_gate,
    check_each_agent_has_one_gate_and_nobody_admitted_idles,
    check_a_round_asks_different_agents_and_is_of_one_engine,
    check_nobody_waits_for_whom_a_round_holds,
    check_everything_that_time_ends_has_a_wake_up,
    check_nothing_is_offered_before_its_time,
    check_nobody_takes_over_from_themselves_or_past_the_backup,
    check_each_release_and_lapse_names_its_rule,
    check_no_owner_is_given_up_who_can_see_to_the_case,
    check_the_kept_count_of_each_queue_is_what_a_count_finds,
    check_nothing_overflows_twice,
)


@settings(max_examples=200)
@given(st.lists(acts, min_size=15, max_size=60))
def test_no_history_breaks_a_promise(history: list[tuple[object, ...]]) -> None:
    world = World(config()).open_doors()
    for act in history:
        play(world, act)
        for check in CHECKS:
            check(world)
    assert world.engine.eligible_idle_s == 0
    offers = [one.offer for one in world.said if isinstance(one, MakeOffer)]
    epochs = {fact.engine_epoch for fact, _ in world.facts if isinstance(fact, LeadershipChanged)}
    if epochs <= {0, 1}:
        assert len(set(offers)) == len(offers)


@settings(max_examples=200)
@given(st.lists(rounds, min_size=8, max_size=40))
def test_no_history_of_rounds_breaks_a_promise(history: list[tuple[object, ...]]) -> None:
    world = World(desk()).open_doors()
    for act in history:
        play(world, act)
        for check in CHECKS:
            check(world)
    assert world.engine.eligible_idle_s == 0


@settings(max_examples=150)
@given(st.lists(absences, min_size=5, max_size=30))
def test_no_history_of_absent_owners_breaks_a_promise(history: list[tuple[object, ...]]) -> None:
    world = World(config()).open_doors()
    for number, name in enumerate(NAMES):
        world.contact(name, language="de" if number % 2 else "en", channel=CHANNELS[number % 2])
    play(world, ("take all",))
    for act in history:
        play(world, act)
        for check in CHECKS:
            check(world)
    assert world.engine.eligible_idle_s == 0


@settings(max_examples=60)
@given(st.lists(acts, min_size=10, max_size=40))
def test_same_facts_give_the_same_decisions(history: list[tuple[object, ...]]) -> None:
    world = World(config()).open_doors()
    for act in history:
        play(world, act)
    again = Engine("demo")
    assert [again.step(fact, at) for fact, at in world.facts] == world.outcomes
    assert again.digest() == world.engine.digest()


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from((0, 0, 7))), min_size=2, max_size=12),
    st.integers(0, 3),
)
def test_equals_are_served_in_the_order_they_came(
    gaps: list[tuple[int, int]], declined: int
) -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    came = []
    for number, (gap, priority) in enumerate(gaps):
        world.wait(gap)
        world.contact(f"n{number:02}", priority=priority)
        came.append((priority, f"n{number:02}"))
    world.log_on("anna")
    served: list[str] = []
    while len(served) < len(came):
        (asked,) = [name for _, name in came if name not in served and world.asked(name)]
        served.append(asked)
        world.accept(asked)
        world.wait(declined)
        world.close(asked)
    for priority in (0, 7):
        same = [name for prio, name in came if prio == priority]
        assert [name for name in served if name in same] == same


@settings(max_examples=60)
@given(st.lists(acts, min_size=10, max_size=40))
def test_who_takes_over_knows_the_same_and_goes_on(history: list[tuple[object, ...]]) -> None:
    world = World(config()).open_doors()
    for act in history:
        if act[0] not in ("lead", "deaf"):
            play(world, act)
    successor = Engine("demo")
    for fact, at in world.facts:
        if not isinstance(fact, LeadershipChanged | OfferAsked):
            assert successor.step(fact, at) == ()
    world.engine = successor
    world.tell(LeadershipChanged(9))
    for check in CHECKS:
        check(world)


def test_the_gates_of_the_index_and_of_the_explanation_agree() -> None:
    """Every (agent, need) pair: admitted by `meets` means offered when alone and free."""
    rules = Rules(config(), "demo")
    for agent in AGENTS:
        for queue in ("billing", "technical", "experts"):
            for language in ("en", "de"):
                world = World(config()).open_doors(all_in=False)
                world.wait(60)
                world.log_on(agent)
                world.contact("kim", queue, language=language, billing=3)
                wants = rules.asked(world.case("kim")).requirement
                able = meets(config().agents[agent], wants) is None
                assert world.asked("kim") == (agent if able else "")


def test_unknown_agents_do_no_harm() -> None:
    world = World(config()).open_doors()
    world.tell(AgentChanged("stranger", Availability.AVAILABLE, "", world.now))
    world.seen("stranger", Presence.CONNECTED)
    world.contact("kim", before="stranger")
    assert "stranger" not in world.all_asked("kim")
