"""Set-up finds a suitable Python wherever it hides, and believes none by its name."""

import ast
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tests.style.tree import ROOT

SOURCE = ROOT / "bootstrap.py"
LIAR = "#!/bin/sh\necho python 3.7.0 /nowhere\n"
BROKEN = "#!/bin/sh\nexit 127\n"


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def place(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return path


def claims(version: str) -> str:
    return f"#!/bin/sh\necho 'python {version} '\"$0\"\n"


def test_set_up_can_be_read_by_a_python_from_3_7_on():
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_set_up_looks_at_itself_then_path_then_pyenv_newest_first(bootstrap, tmp_path):
    bin_old = place(tmp_path / "a/python3.12", BROKEN)
    bin_new = place(tmp_path / "b/python3.13", BROKEN)
    root = tmp_path / "pyenv"
    hidden = [
        place(root / f"versions/{version}/bin/python", BROKEN)
        for version in ("3.13.10", "3.13.9", "3.12.1")
    ]
    place(root / "versions/3.11.7/bin/python", BROKEN)
    own = place(tmp_path / "own/python3", BROKEN)
    environ = {"PATH": f"{bin_old.parent}{os.pathsep}{bin_new.parent}", "PYENV_ROOT": str(root)}
    found = list(bootstrap.candidates(str(own), environ, tmp_path / "home"))
    mine = [path for path in found if tmp_path in path.parents]
    assert mine == [own, bin_new, bin_old, *hidden]


def test_set_up_looks_into_the_home_folder_where_no_variable_is_set(bootstrap, tmp_path):
    hidden = place(tmp_path / ".pyenv/versions/3.13.0/bin/python", BROKEN)
    assert hidden in bootstrap.candidates("", {}, tmp_path)


def test_set_up_passes_by_what_cannot_be_run(bootstrap, tmp_path):
    place(tmp_path / "python3.13", BROKEN).chmod(0o644)
    (tmp_path / "python3.12").mkdir()
    found = bootstrap.candidates("", {"PATH": str(tmp_path)}, tmp_path)
    assert not [path for path in found if tmp_path in path.parents]


@pytest.mark.parametrize(
    "script", [LIAR, BROKEN, claims("3.11.9"), claims("3.14.0"), "not a script"]
)
def test_set_up_believes_what_a_candidate_says_and_not_its_name(bootstrap, tmp_path, script):
    assert bootstrap.look(place(tmp_path / "python3.13", script)) is None


@pytest.mark.parametrize("version", ["3.12.0", "3.13.7"])
def test_set_up_takes_a_candidate_that_says_it_is_suitable(bootstrap, tmp_path, version):
    path = place(tmp_path / "python", claims(version))
    found = bootstrap.look(path)
    assert (".".join(map(str, found.version)), found.path) == (version, str(path))


def test_set_up_finds_the_interpreter_behind_an_environment(bootstrap):
    found = bootstrap.look(Path(sys.executable))
    assert found.version == sys.version_info[:3]
    assert Path(found.path).samefile(sys._base_executable)  # noqa: SLF001


def test_set_up_tries_each_interpreter_once(bootstrap):
    behind = {"a": "one", "b": "one", "c": "two", "d": None}
    looked = bootstrap.suitable(
        map(Path, behind),
        lambda path: behind[path.name] and bootstrap.Python((3, 13, 0), behind[path.name]),
    )
    assert [python.path for python in looked] == ["one", "two"]


def test_set_up_with_nothing_suitable_says_one_sentence_and_fails(
    bootstrap, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setattr(bootstrap, "UNFINISHED", tmp_path / ".venv/.unfinished")
    monkeypatch.setattr(bootstrap, "candidates", lambda *_: [tmp_path / "python3.13"])
    assert bootstrap.main() == 1
    said = capsys.readouterr().err.strip()
    assert "Python 3.13 or 3.12" in said
    assert "\n" not in said
