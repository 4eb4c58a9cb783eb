"""What `simulate` and `tune` share: scenarios and policies by name or from a file, and progress."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toldonce.cli.check import read_document
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.lab.scenario import Policy, Scenario


def read_scenario(name: str) -> "Scenario":
    """Read a scenario from a file, or a shipped one by its name; raises Invalid."""
    from toldonce.lab.suite import shipped, text_of

    if name in shipped():
        return parse(text_of(name))
    path = Path(name)
    if not path.exists():
        raise Invalid(
            "SCENARIO", f"{name} is no file and none of those shipped: {', '.join(shipped())}"
        )
    return parse(read_document(path))


def parse(text: str) -> "Scenario":
    """Read the text of a scenario; raises Invalid."""
    from toldonce.lab.reading import read
    from toldonce.runtime.yaml_tree import load

    return read(load(text))


def policies_of(scenario: "Scenario", wanted: list[str]) -> "list[Policy]":
    """Find policies of a scenario by name, or in files of policies; none wanted: all of it.

    Raises Invalid for a name that is nowhere, and for one that means two policies.
    """
    from toldonce.lab.reading import read_policies
    from toldonce.runtime.yaml_tree import load

    found: dict[str, Policy] = {}
    for name in wanted or list(scenario.policies):
        if name in scenario.policies:
            more = {name: scenario.policies[name]}
        elif Path(name).exists():
            more = read_policies(load(read_document(Path(name))), scenario)
        else:
            known = ", ".join(scenario.policies)
            raise Invalid("--policy", f"{name} is none of {known}, and no file")
        for one, policy in more.items():
            if found.setdefault(one, policy) != policy:
                raise Invalid("--policy", f"two policies are called {one}: give one another name")
    return list(found.values())


def progress(words: str, done: int, of: int) -> None:
    """Tell on a terminal how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {of} {words}\033[K" + ("\n" if done == of else ""))
        sys.stderr.flush()


def write(option: str, path: Path, text: str) -> None:
    """Write what was asked for into a file; raises Invalid that names the option."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Invalid(option, f"cannot write {path}: {error.strerror}") from None
