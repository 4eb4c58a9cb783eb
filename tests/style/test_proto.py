"""The API says all a caller needs, in words and to machines, and can grow without breaking."""

import ast
import importlib.util
import re
import subprocess
import sys

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.style.tree import GENERATED, ROOT, modules
from toldonce.api.events.v1 import events_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.principal import Role

PROTO = ROOT / "proto"
INTERNAL = re.compile(r"/(?:internal|events)\.proto$")
NUMBERS = {
    *(Field.TYPE_DOUBLE, Field.TYPE_FLOAT, Field.TYPE_INT32, Field.TYPE_INT64),
    *(Field.TYPE_UINT32, Field.TYPE_UINT64),
}
UNITS = ("_us", "_ms", "_s", "_pct", "_bytes", "_total", "_size", "_ratio")
COUNTS = re.compile(
    r"(?:^|_)(?:epoch|sequence|revision|version|position|level|priority|priority_by|rung|rank|step"
    r"|tag|ref|index|counter|hops|messages|considered|asked|cases|waiting|offered|scheduled|bad_experiences"
    r"|agents_free|agents_available|moments|clocks)$"
)
THINGS = {  # a call may answer with the thing it is about
    *("CaseView", "Acknowledgement", "ContactView", "OutboxEntry"),
}
LENGTH = re.compile(r"\b\d+ (?:characters|bytes)\b")


def _generator():
    spec = importlib.util.spec_from_file_location("generate", PROTO / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    written = generate.image(tmp_path_factory.mktemp("proto") / "now.binpb", source_info=True)
    return FileDescriptorSet.FromString(written.read_bytes())


@pytest.fixture(scope="module")
def files(image):
    ours = [file for file in image.file if file.name.startswith(generate.API)]
    assert len(ours) >= 8
    return ours


def comments(file):
    return {
        tuple(place.path): place.leading_comments.strip()
        for place in file.source_code_info.location
    }


def parts(file):
    """Every part of a file that must say what it is: its name and its path in the descriptor."""
    yield "the file", (12,)
    yield from _of_messages(file.message_type, (4,), "")
    yield from _of_enums(file.enum_type, (5,), "")
    for s, service in enumerate(file.service):
        yield service.name, (6, s)
        for m, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (6, s, 2, m)
    for e, extension in enumerate(file.extension):
        yield extension.name, (7, e)


def _of_messages(messages, path, before):
    for m, message in enumerate(messages):
        name, here = before + message.name, (*path, m)
        yield name, here
        for f, field in enumerate(message.field):
            yield f"{name}.{field.name}", (*here, 2, f)
        for o, oneof in enumerate(message.oneof_decl):
            if not oneof.name.startswith("_"):
                yield f"{name}.{oneof.name}", (*here, 8, o)
        yield from _of_messages(message.nested_type, (*here, 3), f"{name}.")
        yield from _of_enums(message.enum_type, (*here, 4), f"{name}.")


def _of_enums(enums, path, before):
    for e, enum in enumerate(enums):
        yield before + enum.name, (*path, e)
        for v, value in enumerate(enum.value):
            yield f"{before}{enum.name}.{value.name}", (*path, e, 2, v)


def fields(files):
    """Every field: where it stands, itself, and what its comment says."""
    for file in files:
        said = comments(file)
        for m, message in enumerate(file.message_type):
            for f, field in enumerate(message.field):
                where = f"{file.name}: {message.name}.{field.name}"
                yield where, field, said.get((4, m, 2, f), "")


def methods(files):
    for file in files:
        said = comments(file)
        for s, service in enumerate(file.service):
            for m, method in enumerate(service.method):
                yield f"{service.name}.{method.name}", method, said.get((6, s, 2, m), "")


def test_the_generated_code_is_what_the_proto_files_say(tmp_path):
    generate.generate(tmp_path)
    assert not generate.drifted(tmp_path / generate.API, GENERATED)


def test_a_drift_of_the_generated_code_is_noticed(tmp_path):
    generate.generate(tmp_path)
    code = tmp_path / generate.API / "types/v1/types_pb2.py"
    code.write_text("# another day\n" + code.read_text())
    (tmp_path / generate.API / "types/v1/options_pb2.py").unlink()
    wrong = "\n".join(generate.drifted(tmp_path / generate.API, GENERATED))
    assert "types_pb2.py is out of date: run python proto/generate.py" in wrong
    assert "options_pb2.py has no .proto" in wrong


def test_buf_finds_no_fault_in_the_style(tmp_path):
    assert not generate.linted(tmp_path)


def test_nothing_breaks_who_uses_the_last_release(tmp_path):
    assert not generate.broken(tmp_path)


def test_a_field_that_changes_its_number_is_noticed(tmp_path):
    released = FileDescriptorSet.FromString(generate.RELEASED.read_bytes())
    for file in released.file:
        for message in file.message_type:
            if message.name == "CaseView":
                message.field[0].number = 99
    (tmp_path / "changed.binpb").write_bytes(released.SerializeToString())
    wrong = generate.broken(tmp_path, tmp_path / "changed.binpb")
    assert any("CaseView" in sentence and "99" in sentence for sentence in wrong), wrong
    assert "proto/README.md" in wrong[-1]


def test_the_generated_code_imports_without_a_warning():
    names = sorted(
        ".".join(path.relative_to(GENERATED.parents[1]).with_suffix("").parts)
        for path in GENERATED.rglob("*_pb2*.py")
    )
    assert len(names) > len(generate.sources())
    code = "; ".join(f"import {name}" for name in names)
    subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", code], cwd=GENERATED.parents[1], check=True
    )


def test_every_part_of_the_api_says_what_it_is(files):
    silent = [
        f"{file.name}: {name}"
        for file in files
        for said in [comments(file)]
        for name, path in parts(file)
        if not said.get(path)
    ]
    assert not silent


def test_every_call_names_its_roles_and_whether_it_is_built(files):
    for name, method, _ in methods(files):
        roles = method.options.Extensions[options_pb2.roles]
        assert roles, name
        assert options_pb2.ROLE_UNSPECIFIED not in roles, name
        assert len(set(roles)) == len(roles), name
        assert method.options.HasExtension(options_pb2.built), name


def test_every_call_names_its_errors_and_says_so_when_it_is_not_built(files):
    for name, method, said in methods(files):
        assert re.search(r"^ ?Errors\b", said, re.MULTILINE), name
        built = method.options.Extensions[options_pb2.built]
        assert built == ("UNIMPLEMENTED" not in said), name


def test_every_request_and_answer_is_named_for_its_call_or_its_thing(files):
    for name, method, _ in methods(files):
        asked, answered = (t.rsplit(".", 1)[1] for t in (method.input_type, method.output_type))
        assert asked == f"{method.name}Request", name
        assert answered in {f"{method.name}Response", *THINGS}, name


def test_the_roles_of_the_api_are_the_roles_of_the_kernel():
    names = {name.removeprefix("ROLE_") for name in options_pb2.Role.keys()}  # noqa: SIM118
    assert names - {"UNSPECIFIED"} == {role.name for role in Role}


def test_an_enum_that_the_log_and_the_api_share_has_one_numbering():
    log, api = (
        {
            enum.name: {value.name: value.number for value in enum.values}
            for enum in module.DESCRIPTOR.enum_types_by_name.values()
        }
        for module in (events_pb2, types_pb2)
    )
    shared = log.keys() & api.keys()
    assert len(shared) >= 3
    for name in shared:
        assert log[name] == api[name], name


def test_the_zero_of_every_enum_means_not_said(files):
    for file in files:
        for enum in file.enum_type:
            zero = next(value for value in enum.value if value.number == 0)
            assert zero.name.endswith("_UNSPECIFIED"), enum.name


def test_every_number_has_its_unit_in_its_name(files):
    plain = [
        where
        for where, field, _ in fields(files)
        if field.type in NUMBERS
        if not field.name.endswith(UNITS) and not COUNTS.search(field.name)
    ]
    assert not plain


def test_every_moment_is_named_as_one_and_public_moments_are_timestamps(files):
    for where, field, _ in fields(files):
        if field.type_name == ".google.protobuf.Timestamp":
            assert re.search(r"(?:^|_)(?:at|by)$", field.name), where
        if field.name.endswith("_us"):
            assert INTERNAL.search(where.split(":")[0]), where


def test_every_id_says_how_long_it_is(files):
    vague = [
        where
        for where, field, said in fields(files)
        if re.search(r"_ids?$", field.name) and not LENGTH.search(said)
    ]
    assert not vague


def test_every_text_from_outside_says_its_limit_or_that_it_is_a_name(files):
    """Fields of requests; what we send ourselves is bounded by what came in."""
    known = re.compile(
        LENGTH.pattern + r"|KiB|\bNames? of\b|BCP 47|ISO 3166|configured|\bbytes\b", re.IGNORECASE
    )
    free = [
        where
        for where, field, said in fields(files)
        if field.type in {Field.TYPE_STRING, Field.TYPE_BYTES}
        if re.search(r"\w+Request\.", where) and not known.search(said)
    ]
    assert not free


def reasons_told():
    table = (PROTO / "README.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))


def test_every_reason_a_service_gives_is_in_the_table_of_reasons():
    told = set(
        re.findall(r"^\| `([A-Z_]+)`", (PROTO / "README.md").read_text("utf-8"), re.MULTILINE)
    )
    given = {
        call.args[0].value
        for path in modules()
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id == "Rejected" and call.args and isinstance(call.args[0], ast.Constant)
    }
    assert given <= told, "add to proto/README.md, Reasons"


def test_every_reason_the_proto_files_name_is_in_the_table_of_reasons(files):
    told = set(
        re.findall(r"^\| `([A-Z_]+)`", (PROTO / "README.md").read_text("utf-8"), re.MULTILINE)
    )
    for name, _, said in methods(files):
        after = re.findall(r"FAILED_PRECONDITION ([^;.]*)", said)
        reasons = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", " ".join(after)))
        assert reasons <= told, name
