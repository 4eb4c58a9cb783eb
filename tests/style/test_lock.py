"""The lock files hold what pyproject asks for, every line with its hashes and no index."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.style.tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
DEVELOPMENT = PROJECT["dependency-groups"]["dev"]


def locked(name: str) -> dict[str, Version]:
    """The pinned version of each package in one lock file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {
        canonicalize_name(package): Version(version)
        for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize(
    ("lock", "asked"),
    [("requirements.txt", RUNTIME), ("requirements-dev.txt", [*RUNTIME, *DEVELOPMENT])],
)
def test_the_lock_holds_a_version_that_pyproject_accepts_of_each_package(lock, asked):
    pins = locked(lock)
    wrong = [
        f"{requirement} (locked: {pins.get(canonicalize_name(requirement.name))})"
        for requirement in map(Requirement, asked)
        if (pin := pins.get(canonicalize_name(requirement.name))) is None
        or pin not in requirement.specifier
    ]
    assert not wrong, f"compile {lock} again as pyproject.toml says"


def test_both_locks_agree_on_every_version():
    runtime, development = locked("requirements.txt"), locked("requirements-dev.txt")
    assert runtime.items() <= development.items()


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_every_line_of_a_lock_is_a_pin_or_a_hash(lock):
    pin = re.compile(r"[a-z0-9._-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if not pin.fullmatch(line)]
