"""Names of subjects: nothing that could read somebody else's story gets into one."""

from collections.abc import Callable

import pytest

from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import encode
from toldonce.runtime import names
from toldonce.runtime.permissions import operator, permissions

CUSTOMER = encode(bytes(16))
BAD = ["", "*", ">", "a.b", "a b", "a\nb", "é", "A", "a\x00", "x" * 64, "a*", "t\r\n"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "make",
    [
        lambda bad: names.story(bad, CUSTOMER),
        lambda bad: names.story("demo", bad),
        lambda bad: names.open_key("demo", bad),
        lambda bad: names.open_key(bad, CUSTOMER),
        lambda bad: names.agent_key("demo", bad),
        lambda bad: names.agent_key(bad, "ann"),
        names.config_key,
        lambda bad: names.lease_key(bad, "demo"),
        lambda bad: names.lease_key("engine", bad),
        lambda bad: names.block_key("demo", bad),
        lambda bad: names.timers_key("demo", bad),
        lambda bad: names.alarm_key(bad, CUSTOMER, "t1", 1),
        lambda bad: names.due_key("demo", CUSTOMER, bad, 1),
        names.commands,
        names.engine,
        names.hint,
        names.config_hint,
        names.presence,
        lambda bad: names.redis_key("open", bad, 1),
        lambda bad: names.redis_key("open", "demo", 1, bad),
    ],
)
def test_a_name_refuses_whatever_is_no_plain_token(make: Callable[[str], str], bad: str):
    with pytest.raises(Invalid):
        make(bad)


def test_a_key_is_a_subject_of_its_own_stream():
    assert names.open_key("demo", CUSTOMER) == f"open.demo.{CUSTOMER}"
    assert names.agent_key("demo", "ann") == "agents.demo.ann"
    assert names.config_key("demo") == "config.demo"
    assert names.lease_key("engine", "demo") == "leases.engine.demo"
    assert names.block_key("demo", CUSTOMER) == f"keys.demo.{CUSTOMER}"
    assert names.AGENTS.subjects == ("agents.>",)
    assert names.agent_key("demo", "ann").startswith(names.AGENTS.of_tenant("demo"))
    assert names.OPEN_POSITION_KEY.startswith(names.OPEN.prefix + ".")


def test_a_story_says_whose_it_is():
    subject = names.story("demo", CUSTOMER)
    assert names.story_of(subject) == ("demo", CUSTOMER)
    tokens = subject.split(".")
    tokens[2] = str((int(tokens[2]) + 1) % 16)
    for wrong in (".".join(tokens), "open.demo.x", "story.1.0.demo", f"story.x.0.demo.{CUSTOMER}"):
        with pytest.raises(Invalid):
            names.story_of(wrong)


def test_only_ownership_may_publish_to_stories_and_nobody_may_take_a_stream_away():
    for service, may in permissions().items():
        writes = [
            subject for subject in may.publish if subject.startswith("story.") or subject == ">"
        ]
        assert bool(writes) == (service == "ownership"), service
        for subject in may.publish:
            for verb in ("PURGE", "UPDATE", "STREAM.DELETE", "MSG.DELETE", "RESTORE", "SNAPSHOT"):
                assert verb not in subject, (service, subject)
            assert not subject.startswith("$JS.API.*"), (service, subject)
        created = [subject for subject in may.publish if "STREAM.CREATE" in subject]
        assert bool(created) == (service == "setup"), service


def test_only_an_operator_may_seal_or_drop_an_epoch():
    may = operator(2)
    for verb in ("CREATE", "UPDATE", "DELETE"):
        assert f"$JS.API.STREAM.{verb}.STORIES_2" in may.publish
    assert "operator" not in permissions()
    assert not any("PURGE" in subject or subject.startswith("story.") for subject in may.publish)


def test_each_service_hears_only_its_own_replies():
    table = permissions()
    for service, may in table.items():
        assert may.subscribe[0] == f"_INBOX_{service}.>"
        assert not any(s.startswith("_INBOX.") or s == ">" for s in may.subscribe)


def test_an_alarm_that_is_due_says_whose_timer_it_is_and_since_when():
    key = names.due_key("demo", CUSTOMER, CUSTOMER, 1_767_603_600_000_000)
    assert names.due_of(key) == ("demo", CUSTOMER, CUSTOMER, 1_767_603_600_000_000)


@pytest.mark.parametrize(
    "key",
    [
        names.alarm_key("demo", CUSTOMER, CUSTOMER, 1),
        names.timers_key("demo", CUSTOMER),
        names.TIMERS_GENERATION_KEY,
        names.due_key("demo", CUSTOMER, CUSTOMER, 1) + ".1",
        names.due_key("demo", CUSTOMER, CUSTOMER, 1).replace(".1", ".soon"),
    ],
)
def test_no_other_key_is_read_as_an_alarm_that_is_due(key):
    with pytest.raises(Invalid):
        names.due_of(key)
