"""The compiled twin of the hot pure modules, used where there is one for exactly these sources.

mypyc turns typed modules into extension modules that behave the same, two to three times as fast.
`compile.py` makes them beside the interpreter they are for. They are never required: where no C
compiler was at hand, or a source has changed since, the modules run interpreted.
"""

import hashlib
import importlib
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the package toldonce
PARTS = ("kernel/instants.py", "routing/core/*.py", "lab/desk.py", "lab/papers.py")
# words that others match on, or read as data, stay as they are
LEFT_OUT = frozenset({"__init__.py", "acts.py", "facts.py", "record.py", "snapshot.py", "types.py"})
HOME = Path(sys.prefix) / "compiled"


def sources() -> list[Path]:
    """List the modules that are compiled, by their place in the package."""
    found = [path for part in PARTS for path in sorted(ROOT.glob(part))]
    return [path.relative_to(ROOT) for path in found if path.name not in LEFT_OUT]


@cache
def folder() -> Path:
    """Name the folder of the twin for these sources and this interpreter; it may not be there."""
    digest = hashlib.sha256(sys.version.encode())
    words = [Path("routing/core") / name for name in sorted(LEFT_OUT)]
    for path in [*sources(), *words]:
        digest.update(str(path).encode() + b"\0" + (ROOT / path).read_bytes())
    return HOME / digest.hexdigest()[:16]


def prefer() -> bool:
    """Use the twin from now on, if there is one and none of its modules was imported before."""
    home = folder()
    ours = [path for path in sources() if path.parts[0] != "kernel"]  # those have no state
    names = {".".join(("toldonce", *path.with_suffix("").parts)) for path in ours}
    if not (home / "ready").exists() or not names.isdisjoint(sys.modules):
        return False
    sys.path.append(str(home))  # where the modules look for what they share
    for package in sorted({path.parent for path in sources()}):
        name = ".".join(("toldonce", *package.parts))
        importlib.import_module(name).__path__.insert(0, str(home / "toldonce" / package))
    return True
