"""Compile the hot pure modules: `python compile.py`. See `services/toldonce/runtime/compiled.py`.

Exit 0: they are there now, or were. 1: they could not be compiled, and run interpreted.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from toldonce.runtime import compiled

SECONDS_MAX = 900
_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(
    name="toldonce-compiled",
    packages=[],
    ext_modules=mypycify(
        ["--config-file", "mypy.ini", *sys.argv[2:]], opt_level="3", group_name="toldonce_core"
    ),
    script_args=["build_ext", "--build-lib", sys.argv[1], "--build-temp", "temporary"],
)
"""
_SETTINGS = """
[mypy]
explicit_package_bases = True
namespace_packages = True
mypy_path = .
[mypy-scipy.*]
ignore_missing_imports = True
"""


def main() -> int:
    """Build the twin unless it is there."""
    home = compiled.folder()
    if (home / "ready").exists():
        return 0
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        sys.stderr.write("there is no C compiler: the routing core runs interpreted\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="toldonce-compile-") as name:
        work = Path(name)
        shutil.copytree(
            compiled.ROOT,
            work / "toldonce",
            ignore=shutil.ignore_patterns("__pycache__", "scenarios"),
        )
        (work / "mypy.ini").write_text(_SETTINGS)
        (work / "build.py").write_text(_BUILD)
        built = work / "built"
        modules = [str(Path("toldonce") / path) for path in compiled.sources()]
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                [sys.executable, "build.py", str(built), *modules],
                cwd=work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            sys.stderr.write("compiling took too long: the routing core runs interpreted\n")
            return 1
        if done.returncode != 0:
            sys.stderr.write(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n")
            sys.stderr.write("it could not be compiled: the routing core runs interpreted\n")
            return 1
        for old in compiled.HOME.glob("*"):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(built, home)
        (home / "ready").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
