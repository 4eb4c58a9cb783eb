"""What the README says is true: commands exist, files are there, and what is not built is named."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from tests.style.readme import anchors, commands, documents, read
from tests.style.tree import ROOT
from toldonce.api.config.v1 import config_pb2
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import options_pb2
from toldonce.cli.main import app
from toldonce.cli.options import arguments
from toldonce.runtime.settings import PREFIX, Settings

CLI = typer.main.get_command(app)
TOLDONCE = (sys.executable, "-c", "from toldonce.cli.main import main; main()")
EXAMPLE_LINES_MAX = 24
OUR_TOOLS = {"make", "toldonce", "python"}
OTHERS = {".", "docker", "kubectl", ".venv/bin/python"}
FILE = re.compile(r"[\w./-]+/[\w.-]+\.(?:py|md|yaml|proto|toml|conf)|[\w-]+\.(?:md|toml)")
FOLDER = re.compile(r"(?:services|tests|loadtests|deploy|docs|examples|proto)(?:/[\w.{},-]+)*/?")
NEEDS_NO_SERVERS = {("check",), ("sla", "due")}
# Settings that only the command line knows (of `up`: services have no such choice).
SPOKEN_SETTING = re.compile(rf"\b{PREFIX}[A-Z_]+[A-Z]\b")


def said() -> list[list[str]]:
    """Every command of the documents, of blocks and of sentences."""
    found = []
    for document in documents():
        for block in document.of("sh"):
            found.extend(commands(block))
        for span in document.spans:
            first, _, rest = span.partition(" ")
            if first in OUR_TOOLS and rest:
                found.append(shlex.split(span))
    return found


def of_cli() -> list[list[str]]:
    """The words after `toldonce` of every command that is one."""
    return [words[1:] for words in said() if words[0] == "toldonce"]


def needs_no_servers(words: list[str]) -> bool:
    """Tell whether a command can be run as it stands."""
    return any(tuple(words[: len(name)]) == name and words[1:] for name in NEEDS_NO_SERVERS)


@pytest.mark.parametrize("words", said(), ids=shlex.join)
def test_readme_names_only_tools_that_are_there(words: list[str]):
    tool = words[0]
    assert tool in OUR_TOOLS | OTHERS
    if tool == "make":
        phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert phony
        assert set(words[1:]) <= set(phony[1].split())
    if tool.endswith("python"):
        script = words[2] if words[1] == "-m" else words[1]
        package = ROOT / script.replace(".", "/")
        wanted = package / "__main__.py" if words[1] == "-m" else ROOT / script
        module = ROOT / "services" / (script.replace(".", "/") + ".py")
        assert wanted.is_file() or module.is_file(), script


@pytest.mark.parametrize("words", of_cli(), ids=shlex.join)
def test_readme_types_only_commands_and_options_that_exist(words: list[str], monkeypatch):
    monkeypatch.chdir(ROOT)
    if words[0] in {"--help", "--version"}:
        return
    assert isinstance(CLI, click.Group | typer.core.TyperGroup)
    command = CLI.commands[words[0]]
    if len(words) == 1:
        return  # only its name is spoken of
    with command.make_context(words[0], arguments(words[1:])) as context:
        assert context.params is not None
        if isinstance(command, click.Group | typer.core.TyperGroup) and len(words) > 3:
            inner = command.commands[words[1]]
            with inner.make_context(words[1], arguments(words[2:]), parent=context) as within:
                assert within.params is not None


@pytest.mark.parametrize(
    "words",
    [["--help"], *([name, "--help"] for name in CLI.commands)]
    + [words for words in of_cli() if needs_no_servers(words) and "FILE" not in words],
    ids=shlex.join,
)
def test_readme_commands_that_need_no_servers_run(words: list[str]):
    done = subprocess.run(  # noqa: S603 - our own command
        [*TOLDONCE, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("document", documents(), ids=lambda one: one.path.name)
def test_every_link_leads_somewhere(document):
    for link in document.links:
        name, _, anchor = link.partition("#")
        if name.startswith(("http://", "https://")):
            continue
        path = (document.path.parent / name).resolve() if name else document.path
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", documents(), ids=lambda one: one.path.name)
def test_every_file_and_folder_that_is_named_is_there(document):
    for span in document.spans:
        if FILE.fullmatch(span) and not span.startswith((".toldonce", "messages")):
            near = (ROOT / span, ROOT / "services" / "toldonce" / span, document.path.parent / span)
            known = any(path.exists() for path in near) or _somewhere(span)
            assert known, span
        if FOLDER.fullmatch(span):
            for path in _spread(span):
                assert (ROOT / path).exists(), span


@pytest.mark.parametrize("document", documents(), ids=lambda one: one.path.name)
def test_every_variable_that_is_named_is_one(document):
    fields = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    assert set(SPOKEN_SETTING.findall(document.text)) <= fields


def test_readme_names_exactly_the_calls_that_are_not_built():
    parts = (intake_pb2, routing_pb2, ownership_pb2, sla_pb2, config_pb2)
    services = [one for part in parts for one in part.DESCRIPTOR.services_by_name.values()]
    built = {
        method.name: method.GetOptions().Extensions[options_pb2.built]
        for service in services
        for method in service.methods
    }
    text = read().text
    line = text[text.index("`UNIMPLEMENTED`:") :].partition("\n- ")[0]
    named = set(re.findall(r"`(\w+)`", line)) - {service.name for service in services}
    assert named - {"UNIMPLEMENTED"} == {name for name, there in built.items() if not there}


def test_readme_shows_a_gateway_that_is_short_and_compiles():
    (example,) = read().of("python")
    compile(example, "the gateway of the README", "exec")
    assert len([line for line in example.splitlines() if line.strip()]) <= EXAMPLE_LINES_MAX


def test_readme_shows_what_the_demo_shows():
    from toldonce.cli.company import report  # noqa: PLC0415 - pulls in the whole company

    shown = next(text for text in read().of("text") if "Promises" in text)
    source = Path(report.__file__).read_text(encoding="utf-8")
    for title in ("channel", "wait p50", "wait p99", "service level", "held", "broken"):
        assert title in source
        assert title in shown
    for promise in ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P10"):
        row = re.search(rf"^ *{promise} .*? (\d+) +(\d+) +\S", shown, re.MULTILINE)
        assert row, promise
        assert row[2] == "0", "a README shows a day on which every promise was kept"


def test_readme_shows_an_account_as_it_is_printed():
    (words,) = [words for words in of_cli() if words[:2] == ["sla", "due"]]
    done = subprocess.run(  # noqa: S603 - our own command
        [*TOLDONCE, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout in read().of("text")


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for path in sorted(folder.glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert f"({path.name})" in index, path.name
        assert re.sub(r"^(?:ADR )?\d+[.:] *", "", title) in index, title


def _somewhere(name: str) -> bool:
    return any(ROOT.glob(f"deploy/**/{name}")) or any(ROOT.glob(f"services/**/{name}"))


def _spread(path: str) -> list[str]:
    """Write `a/{b,c}` as `a/b` and `a/c`."""
    braces = re.search(r"\{([^}]*)\}", path)
    if braces is None:
        return [path]
    return [path.replace(braces[0], part) for part in braces[1].split(",")]
