"""Names on the wires stand in one place, and what speaks of them speaks of names that exist."""

import ast
import re

import pytest

from tests.style.tree import GENERATED, ROOT, committed
from toldonce.kernel.ids import encode
from toldonce.runtime import names
from toldonce.runtime.permissions import permissions

HOME = "services/toldonce/runtime/names.py"
CUSTOMER = encode(bytes(16))
STREAMS = {
    *names.near(names.STORY_EPOCH),
    *(bucket.stream for bucket in names.BUCKETS),
    names.TIMERS.stream,
    names.DECISIONS,
}
SUBJECTS = {
    *(subject for bucket in (*names.BUCKETS, names.TIMERS) for subject in bucket.subjects),
    *names.stories_subjects(),
    names.EVERY_COMMAND,
    names.EVERY_ENGINE,
    names.EVERY_LINES,
    names.EVERY_HINT,
    names.EVERY_CONFIG_HINT,
    names.EVERY_PRESENCE,
    names.EVERY_DECISION,
}
PREFIXES = {subject.partition(".")[0] for subject in SUBJECTS}
EXAMPLES = (
    names.story("demo", CUSTOMER),
    names.open_key("demo", CUSTOMER),
    names.OPEN_POSITION_KEY,
    names.agent_key("demo", "ann"),
    names.config_key("demo"),
    names.lease_key("engine", "demo"),
    names.counts_key("demo"),
    names.COUNTING_KEY,
    names.block_key("demo", CUSTOMER),
    names.TIMERS_GENERATION_KEY,
    names.timers_key("demo", CUSTOMER),
    names.alarm_key("demo", CUSTOMER, CUSTOMER, 1),
    names.due_key("demo", CUSTOMER, CUSTOMER, 1),
    names.commands("demo"),
    names.engine("demo"),
    names.lines("demo"),
    names.hint("demo"),
    names.config_hint("demo"),
    names.presence("demo"),
    names.decisions("demo"),
)
A_NAME = re.compile(
    rf"\A(?:{'|'.join(sorted(PREFIXES))})\.[^ ]*\Z|\$JS\.|\A_INBOX|\ASTORIES_(?:\d+)?\Z|td:\{{"
)
IN_DOCS = re.compile(rf"`((?:{'|'.join(sorted(PREFIXES))})\.[^`\s]+)`")
STREAM_IN_DOCS = re.compile(r"\b[Ss]treams? `(\w+)`|`(STORIES_\w+)`")


def written(source: str) -> list[tuple[int, str]]:
    """Line and text of every string in a module that is a name on a wire; docstrings may speak."""
    tree = ast.parse(source)
    spoken = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    # of an f-string only the beginning says what it is
    later = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values[1:]
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in spoken | later
        and A_NAME.search(node.value)
    ]


def ours() -> list[tuple[str, str]]:
    """Every module that runs somewhere: not the tests, nor what is generated."""
    return [
        (name, text)
        for name, text in committed()
        if name.endswith(".py")
        and name.startswith(("services/", "loadtests/", "deploy/"))
        and not (ROOT / name).is_relative_to(GENERATED)
    ]


def documents() -> list[tuple[str, str]]:
    """Everything written for people."""
    return [(name, text) for name, text in committed() if name.endswith(".md")]


def shape(subject: str) -> tuple[str, int]:
    """First token and number of tokens."""
    return subject.partition(".")[0], subject.count(".")


def test_nobody_but_the_table_of_names_writes_a_name():
    found = [
        f"{name}:{line}: {text!r}"
        for name, source in ours()
        if name != HOME
        for line, text in written(source)
    ]
    assert not found, "\n".join([f"take it from {HOME}", *found])


def test_the_table_of_names_itself_would_be_caught():
    assert len(written((ROOT / HOME).read_text(encoding="utf-8"))) > len(PREFIXES)


@pytest.mark.parametrize(
    "source",
    [
        'x = "story.>"',
        'x = f"story.{epoch}.{tenant}"',
        'x = f"hint.{tenant}"',
        'x = "open.position"',
        'def f():\n    """Say."""\n    return f"$JS.API.STREAM.INFO.{x}"',
        'x = f"td:{{{tenant}}}:open"',
        'x = "STORIES_1"',
        'x = f"STORIES_{epoch}"',
    ],
)
def test_a_name_written_as_text_is_seen(source):
    assert written(source)


@pytest.mark.parametrize(
    "source", ['"""Reads `story.1.x`."""', 'x = "open cases"', 'x = "Open. Then go."', 'x = "keys"']
)
def test_words_that_are_no_names_are_left_alone(source):
    assert not written(source)


def test_permissions_name_only_streams_and_subjects_that_exist():
    for user, may in permissions().items():
        for entry in (*may.publish, *may.subscribe):
            subject = entry.partition(" ")[0]
            if subject.startswith(
                ("$JS.API.STREAM.", "$JS.API.CONSUMER.", "$JS.EVENT.", "$JS.ACK.")
            ):
                tokens = set(subject.split("."))
                assert len(tokens & STREAMS) == 1, (user, subject)
            elif subject == names.jetstream("INFO"):
                continue
            elif subject.startswith(names.inbox("x").removesuffix("x")):
                assert subject == f"{names.inbox(user)}.>", (user, subject)
            else:
                assert subject in SUBJECTS | {names.EVERY_STORY}, (user, subject)


def test_somebody_may_read_every_stream_and_somebody_may_write_it():
    table = permissions().values()
    for stream in STREAMS:
        assert any(names.jetstream(f"STREAM.MSG.GET.{stream}") in may.publish for may in table)
    for bucket in (*names.BUCKETS, names.TIMERS):
        assert any(set(bucket.subjects) <= set(may.publish) for may in table), bucket


def test_documents_name_only_subjects_of_a_shape_that_exists():
    shapes = {shape(example) for example in EXAMPLES}
    prefixes = {prefix for prefix, _ in shapes}
    for name, text in documents():
        for subject in IN_DOCS.findall(text):
            if re.search(r"\.(?:md|py|yaml|proto|conf|pub|key)\Z|\(", subject):
                continue
            fits = shape(subject) in shapes or subject.endswith((".>", ".*"))
            assert fits, f"{name}: {subject}"
            assert subject.partition(".")[0] in prefixes


def test_documents_name_only_streams_that_exist():
    for name, text in documents():
        for found in STREAM_IN_DOCS.findall(text):
            stream = next(filter(None, found))
            assert stream in STREAMS | {"STORIES"}, f"{name}: there is no stream {stream}"
