"""Make the Python code of the API from the .proto files, and check what is committed.

    python proto/generate.py            write services/toldonce/api
    python proto/generate.py --check    say whether it is up to date, well styled and compatible
    python proto/generate.py --release  remember the API as it is now: nothing may break it later

Works offline. The committed `released.binpb` is a descriptor image of the last release.
"""

import argparse
import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

PROTO = Path(__file__).resolve().parent
ROOT = PROTO.parent
OUT = ROOT / "services"
API = "toldonce/api"
RELEASED = PROTO / "released.binpb"
CONFIG = PROTO / "buf.yaml"
TOOL_S = 120
SHOWN_MAX = 40


class Failed(Exception):
    """A step did not work; the text is what to print."""


def main() -> int:
    """Run what was asked; 0 done, 1 not in order, 2 wrong use."""
    parser = argparse.ArgumentParser(description="Make the Python code of the API, or check it.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="change nothing, say what is wrong")
    what.add_argument("--release", action="store_true", help="remember the API as it is now")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toldonce-proto-") as name:
        work = Path(name)
        try:
            if asked.check:
                return check(work)
            if asked.release:
                image(RELEASED, source_info=False)
                say(f"remembered in {RELEASED.relative_to(ROOT)}; commit it")
                return 0
            generate(work)
            replace(work / API, OUT / API)
        except Failed as failed:
            say(str(failed))
            return 1
    return 0


def check(work: Path) -> int:
    """Say everything that is wrong, not only the first thing."""
    generate(work)
    wrong = [*drifted(work / API, OUT / API), *linted(work), *broken(work)]
    for sentence in wrong:
        say(sentence)
    return 1 if wrong else 0


def generate(out: Path) -> None:
    """Write the Python code under `out`."""
    path = os.pathsep.join([str(tool("protoc-gen-mypy").parent), os.environ.get("PATH", "")])
    protoc(
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out={out}",
        f"--mypy_grpc_out=only_async:{out}",
        env={**os.environ, "PATH": path},
    )
    for source in sources():
        if "\nservice " not in (PROTO / source).read_text(encoding="utf-8"):
            for left in ("_pb2_grpc.py", "_pb2_grpc.pyi"):
                (out / source.replace(".proto", left)).unlink(missing_ok=True)
    for folder in [out / API, *(p for p in (out / API).rglob("*") if p.is_dir())]:
        (folder / "__init__.py").write_text('"""Generated from proto/; never edited."""\n')


def drifted(fresh: Path, committed: Path) -> list[str]:
    """Compare two trees of generated code and tell each file that differs."""
    there = tree(fresh), tree(committed)
    wrong: list[str] = []
    for name in sorted(there[0].keys() | there[1].keys()):
        new, old = there[0].get(name), there[1].get(name)
        if new == old:
            continue
        how = "is missing" if old is None else "has no .proto" if new is None else "is out of date"
        wrong.append(f"{committed.relative_to(ROOT) / name} {how}: run python proto/generate.py")
        if new is not None and old is not None:
            changes = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
            wrong += [f"    {line[:160]}" for line in list(changes)[2:SHOWN_MAX]]
    return wrong


def linted(work: Path) -> list[str]:
    """Run buf lint over the whole API."""
    now = image(work / "now.binpb", source_info=True)
    advice = "mend the .proto; proto/buf.yaml has the rules"
    return buf("lint", str(now), "--path", API, advice=advice)


def broken(work: Path, released: Path = RELEASED) -> list[str]:
    """Compare with the image of the last release and tell what would break its users."""
    if not released.exists():
        return [f"{released.name} is missing: run python proto/generate.py --release"]
    now = image(work / "now.binpb", source_info=True)
    advice = "this breaks who uses the last release; proto/README.md says how to change instead"
    return buf("breaking", str(now), "--against", str(released), "--path", API, advice=advice)


def buf(*words: str, advice: str) -> list[str]:
    """Run buf, offline, and return what it found with the advice below."""
    done = subprocess.run(  # noqa: S603 - our own tool and words
        [tool("buf"), *words, "--config", CONFIG],
        capture_output=True,
        text=True,
        timeout=TOOL_S,
        check=False,
    )
    if done.returncode == 0:
        return []
    found = (done.stdout + done.stderr).strip().splitlines()
    return [*(f"proto/{line}" for line in found), f"buf {words[0]}: {advice}"]


def image(out: Path, *, source_info: bool) -> Path:
    """Write a descriptor image of the whole API, comments included if asked."""
    comments = ["--include_source_info"] if source_info else []
    protoc("--include_imports", *comments, f"--descriptor_set_out={out}", env=dict(os.environ))
    return out


def protoc(*words: str, env: dict[str, str]) -> None:
    """Run the protoc that comes with grpcio-tools over all our sources."""
    done = subprocess.run(  # noqa: S603 - our own tool and words
        [sys.executable, "-m", "grpc_tools.protoc", *includes(), *words, *sources()],
        capture_output=True,
        text=True,
        timeout=TOOL_S,
        cwd=PROTO,
        env=env,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{done.stderr.strip()}\nprotoc: mend the .proto")


def includes() -> list[str]:
    """Say where imports are found: here, protobuf's own, and google.rpc as installed."""
    places = [PROTO, package("grpc_tools") / "_proto", package("google.rpc").parent.parent]
    return [f"-I{place}" for place in places]


def sources() -> list[str]:
    """List our .proto files, relative to this folder, in a fixed order."""
    return sorted(path.relative_to(PROTO).as_posix() for path in (PROTO / API).rglob("*.proto"))


def package(name: str) -> Path:
    """Find the folder of an installed package."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Failed(f"{name} is not installed: run make setup")
    return Path(next(iter(spec.submodule_search_locations)))


def tool(name: str) -> Path:
    """Find a tool beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise Failed(f"{name} is not installed: run make setup")
    return Path(found)


def tree(folder: Path) -> dict[str, str]:
    """Read a tree of generated code: relative name to text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in {".py", ".pyi"}
    }


def replace(fresh: Path, committed: Path) -> None:
    """Put the fresh tree in place of the committed one, touching only what differs."""
    new, old = tree(fresh), tree(committed) if committed.exists() else {}
    for name in old.keys() - new.keys():
        (committed / name).unlink()
    for name, text in new.items():
        if old.get(name) != text:
            (committed / name).parent.mkdir(parents=True, exist_ok=True)
            (committed / name).write_text(text, encoding="utf-8")
    say(f"{len(new)} files in {committed.relative_to(ROOT)}")


def say(sentence: str) -> None:
    """Print for people."""
    sys.stdout.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
