"""Set-up: find a Python 3.13 or 3.12, make `.venv`, fill it from the lock, add the project.

Rules of this file: any `python3` from 3.6 on must be able to read and run it, it uses nothing but
the standard library, and running it again repairs whatever an earlier run left half done. It lives
beside the Makefile because it is the first thing a new machine runs.
"""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements-dev.txt"
READY = VENV / ".ready"  # the digest of what was installed; the Makefile looks at its age
UNFINISHED = VENV / ".unfinished"
INPUTS = (LOCK, ROOT / "pyproject.toml", Path(__file__).resolve())

WANTED = ((3, 13), (3, 12))
LOOK_MAX_S = 20
INSTALL_MAX_S = 1200
SAY_EVERY = 20
HEARD_MAX = 30
SELDOM_RUN = r"/(tests?|mypyc?|pip|setuptools)/"

# What a candidate says about itself: its version, then the interpreter behind it. It must be able
# to make environments, speak TLS (pip does) and hold the usual lock (most wheels need it).
LOOK = (
    "import ensurepip, ssl, sys, sysconfig, venv, zlib;"
    "assert not sysconfig.get_config_var('Py_GIL_DISABLED');"
    "print('python %d.%d.%d %s' % (sys.version_info[:3] +"
    " (getattr(sys, '_base_executable', None) or sys.executable,)))"
)
NOTHING_SUITABLE = (
    "ToldOnce needs Python 3.13 or 3.12 with its venv module and found neither on this machine: "
    "install one (or put it on PATH) and run `make setup` again."
)


class Python(NamedTuple):
    """A suitable interpreter: its version and where it really is."""

    version: Tuple[int, int, int]
    path: str


class Failed(Exception):
    """Set-up cannot go on; the text is the sentence for the person who ran it."""


def candidates(own: str, environ: Dict[str, str], home: Path) -> Iterator[Path]:
    """List every file that may be a suitable Python, likeliest first; nothing is run yet."""
    names = [f"python{major}.{minor}" for major, minor in WANTED]
    folders = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    places = [(folder, name) for name in names for folder in folders]
    for root in (environ.get("PYENV_ROOT"), str(home / ".pyenv")):
        if root:
            places += [
                (Path(root), f"versions/{major}.{minor}*/bin/python") for major, minor in WANTED
            ]
    for root in ("/usr/local/bin", str(home / ".local/bin")):
        places += [(Path(root), name) for name in names]
    places += [(Path("/opt"), f"{depth}/bin/{name}") for depth in ("*", "*/*") for name in names]
    if own:
        yield Path(own)
    seen = {Path(own)}
    for folder, pattern in places:
        for path in sorted(folder.glob(pattern), key=_numbers, reverse=True):
            if path not in seen and path.is_file() and os.access(str(path), os.X_OK):
                seen.add(path)
                yield path


def look(path: Path) -> Optional[Python]:
    """Run a candidate and hear what it is: a name proves nothing (pyenv's are scripts)."""
    try:
        said = subprocess.run(
            [str(path), "-c", LOOK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LOOK_MAX_S,
            cwd="/",  # away from any folder that tells a version manager what to run
            env=_clean(dict(os.environ)),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = said.stdout.decode("utf-8", "replace")
    found = re.search(r"^python (\d+)\.(\d+)\.(\d+) (.+)$", words, re.MULTILINE)
    if said.returncode != 0 or not found:
        return None
    version = (int(found.group(1)), int(found.group(2)), int(found.group(3)))
    return Python(version, found.group(4)) if version[:2] in WANTED else None


def suitable(
    paths: Iterable[Path], look_at: Callable[[Path], Optional[Python]]
) -> Iterator[Python]:
    """Pass on the interpreters among `paths` that will do, in their order, each once."""
    seen = set()
    for path in paths:
        python = look_at(path)
        if python is not None and python.path not in seen:
            seen.add(python.path)
            yield python


def digest() -> str:
    """Name what an environment is made from; the folder counts, its scripts hold its path."""
    parts = hashlib.sha256(str(ROOT).encode("utf-8"))
    for name in INPUTS:
        parts.update(name.read_bytes())
    return parts.hexdigest()


def set_up() -> None:
    """Bring `.venv` to the state the lock describes. Raises Failed."""
    wanted = digest()
    kept = None if UNFINISHED.exists() else look(VENV_PYTHON)
    if kept is not None and _read(READY) == wanted:
        READY.touch()
        _say(".venv is ready")
        return
    started = time.monotonic()
    if kept is None or not _runs([str(VENV_PYTHON), "-m", "pip", "--version"]):
        kept = _make_environment()
    _write(UNFINISHED, wanted)
    packages = len(re.findall(r"^[a-z0-9].*==", LOCK.read_text(), re.MULTILINE))
    _say(f"installing about {packages} packages into .venv (Python {_dotted(kept)})")
    _install("--require-hashes", "--no-deps", "--no-compile", "-r", str(LOCK))
    _say("compiling them")  # on all cores, which pip does not; what cannot be compiled is no harm
    _runs([str(VENV_PYTHON), "-m", "compileall", "-qq", "-j0", "-x", SELDOM_RUN, str(VENV / "lib")])
    _say("installing toldonce itself, in place")
    _install("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    _say("compiling the routing core, where there is a C compiler")
    if not _runs([str(VENV_PYTHON), str(ROOT / "compile.py")]):
        _say("  it runs interpreted instead: the same decisions, at half the speed")
    UNFINISHED.unlink()
    _write(READY, wanted)
    _say(f"ready in {time.monotonic() - started:.0f} s")


def _make_environment() -> Python:
    paths = candidates(sys.executable or "", dict(os.environ), Path.home())
    for python in suitable(paths, look):
        _say(f"making .venv with {python.path}")
        if _runs([python.path, "-m", "venv", "--clear", str(VENV)]):
            return python
        _say("that Python could not make an environment, looking on")
    raise Failed(NOTHING_SUITABLE)


def _install(*arguments: str) -> None:
    command = [
        str(VENV_PYTHON),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--progress-bar", "off", *arguments]
    collected = 0
    heard: Deque[str] = deque(maxlen=HEARD_MAX)
    with subprocess.Popen(
        command,
        cwd=str(ROOT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        env=_clean(dict(os.environ)),
    ) as pip:
        for line in pip.stdout or ():
            heard.append(line)
            collected += line.startswith("Collecting ")
            if line.startswith("Collecting ") and collected % SAY_EVERY == 0:
                _say(f"  {collected} collected")
            elif line.startswith("Installing collected packages"):
                _say("  unpacking")
    if pip.returncode != 0:
        sys.stderr.writelines(heard)
        raise Failed(
            "Installing failed, pip's own words are above: see that a package index can be reached "
            "and run `make setup` again."
        )


def _runs(command: List[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=INSTALL_MAX_S,
            env=_clean(dict(os.environ)),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _clean(environ: Dict[str, str]) -> Dict[str, str]:
    """Drop from the environment what would make one Python load another's files."""
    misleading = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    return {name: value for name, value in environ.items() if name not in misleading}


def _numbers(path: Path) -> List[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _dotted(python: Python) -> str:
    return ".".join(str(number) for number in python.version)


def _read(name: Path) -> str:
    try:
        return name.read_text()
    except OSError:
        return ""


def _write(name: Path, text: str) -> None:
    new = name.with_name(name.name + ".new")
    new.write_text(text)
    new.replace(name)


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def main() -> int:
    """Set up once at a time; 0 when ready, 1 with one sentence when it cannot be done."""
    with Path(__file__).open("rb") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        try:
            set_up()
        except Failed as failed:
            print(failed, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("Set-up was interrupted: run `make setup` again to finish it.", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
