"""The repository as the style tests see it: its root, its files, its modules."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services"
PACKAGE = SERVICES / "toldonce"
GENERATED = PACKAGE / "api"


def modules() -> list[Path]:
    """Every module of the package that a person wrote."""
    return sorted(path for path in PACKAGE.rglob("*.py") if GENERATED not in path.parents)


def dotted(path: Path) -> str:
    """The import name of a module of the package: `toldonce.kernel.ids`."""
    parts = path.relative_to(SERVICES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def committed() -> Iterator[tuple[str, str]]:
    """Name and text of every text file git holds. Skips the test where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files are committed cannot be told")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or not path.is_file():
            continue
        try:
            yield name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
