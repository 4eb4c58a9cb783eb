"""What a core or the kernel may not do, read off its syntax tree.

Pure here means: the same arguments give the same answer, in every process, on every machine. So no
clock, no randomness, no input or output, and nothing that depends on the process (`hash` of a
string differs from run to run, `id` always).
"""

import ast
from collections.abc import Iterator

PURE = frozenset({
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "copy", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq",
    "hmac", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string",
    "struct", "textwrap", "types", "typing", "unicodedata",
})  # fmt: skip
# Zone rules come from files, so one place reads them and everybody else is handed its answers.
PURE_ONLY_IN = {"zoneinfo": "toldonce.kernel.calendar"}
BANNED_CALLS = frozenset({
    "open", "print", "input", "eval", "exec", "compile", "breakpoint", "__import__", "globals",
    "vars", "hash", "id",
})  # fmt: skip
BANNED_CLOCKS = frozenset({"now", "utcnow", "today"})
CLOCK_HOLDERS = frozenset({"datetime", "date"})


def is_pure_by_rule(module: str) -> bool:
    """Say whether the rule covers this module: the kernel, and the core of each service."""
    parts = module.split(".")
    return parts[:2] == ["toldonce", "kernel"] or parts[2:3] == ["core"]


def impurities(source: str, module: str) -> Iterator[str]:
    """Name what in `source` the rule forbids, as `line: what`."""
    tree = ast.parse(source)
    clocks = _clock_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for imported in names:
                    if not _may_import(imported.name, module):
                        yield f"{node.lineno}: imports {imported.name}"
            case ast.ImportFrom(module=name, level=level):
                full = _absolute(name or "", level, module)
                if not _may_import(full, module):
                    yield f"{node.lineno}: imports {full}"
            case ast.Attribute(value=holder, attr=attr) if attr in BANNED_CLOCKS:
                if ast.unparse(holder) in clocks:
                    yield f"{node.lineno}: reads the clock with {ast.unparse(node)}"
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
                yield f"{node.lineno}: calls {name}()"
            case ast.AsyncFunctionDef(name=name):
                yield f"{node.lineno}: waits in async def {name}"
            case _:
                pass


def _may_import(name: str, module: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    if top in PURE_ONLY_IN:
        only = PURE_ONLY_IN[top]
        return module == only or module.startswith(only + ".")
    if top != "toldonce":
        return top in PURE
    allowed = ["toldonce.kernel"]
    parts = module.split(".")
    if parts[2:3] == ["core"]:
        allowed.append(".".join(parts[:3]))
    return any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)


def _absolute(name: str, level: int, module: str) -> str:
    """Resolve `from .x import y` as written in `module`, which is no package."""
    if level == 0:
        return name
    return ".".join([*module.split(".")[:-level], *filter(None, [name])])


def _clock_names(tree: ast.Module) -> set[str]:
    """Every way this module can spell the classes that know what time it is."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=imported):
                for each in imported:
                    if each.name == "datetime":
                        names |= {
                            f"{each.asname or each.name}.{holder}" for holder in CLOCK_HOLDERS
                        }
            case ast.ImportFrom(module="datetime", names=imported):
                names |= {
                    each.asname or each.name for each in imported if each.name in CLOCK_HOLDERS
                }
            case _:
                pass
    return names
