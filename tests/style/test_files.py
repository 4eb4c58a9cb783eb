"""Every file is finished, says what it is, is small, and names no machine and no registry."""

import ast
import re

import pytest

from tests.style.tree import GENERATED, ROOT, committed, dotted, modules

LINES_MAX = 400
LINES_GOOD = 300


def reverse(*words: str) -> list[str]:
    """Turn words around: they stand here backwards, so that this file does not hold them."""
    return [word[::-1] for word in words]


MARKS = re.compile(rf"\b(?:{'|'.join(reverse('ODOT', 'EMXIF', 'KCAH'))}|X{{3}})\b")
UNBUILT = re.compile(*reverse("rorrEdetnemelpmItoN"))
HOSTS = reverse(
    "gro.ipyp",
    "gro.detsohnohtyp",
    "gro.sjmpn.yrtsiger",
    "moc.gkpnray.yrtsiger",
    "gro.naibed.bed",
    "gro.gnalog.yxorp",
    "oi.setarc",
    "gro.ehcapa.nevam.oper",
)
REGISTRIES = re.compile(
    "|".join(map(re.escape, HOSTS)) + r"|https?://[^\s\"]*/(?:simple|packages)/"
)
MACHINE_PATHS = re.compile(r"(?:^|[^\w.-])/(?:root|work|farm|home|Users)/", re.MULTILINE)


def places(pattern: re.Pattern[str]) -> list[str]:
    """Where `pattern` stands in committed files that a person wrote, as `name:line: text`."""
    return [
        f"{name}:{text.count('\n', 0, hit.start()) + 1}: {hit[0].strip()}"
        for name, text in committed()
        if not (ROOT / name).is_relative_to(GENERATED)
        for hit in pattern.finditer(text)
    ]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (MARKS, "finish it or file an issue"),
        (UNBUILT, "what is not built answers UNIMPLEMENTED"),
        (REGISTRIES, "a registry's host is the machine's business"),
        (MACHINE_PATHS, "a path of one machine"),
    ],
)
def test_no_committed_file_holds(pattern, why):
    found = places(pattern)
    assert not found, "\n".join([why, *found])


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (MARKS, reverse("retal :ODOT #")),
        (UNBUILT, reverse("rorrEdetnemelpmItoN esiar")),
        (REGISTRIES, reverse("x/gro.ipyp//:sptth lru-xedni--")),
        (REGISTRIES, reverse("/elpmis/elpmaxe.rorrim//:ptth")),
        (MACHINE_PATHS, reverse("x/toor/ ees")),
        (MACHINE_PATHS, reverse('"x/krow/"')),
    ],
)
def test_each_of_these_patterns_bites(pattern, text):
    assert pattern.search(*text)


def test_every_module_says_in_its_first_line_what_it_is():
    silent = [
        dotted(path)
        for path in modules()
        if not (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()
    ]
    assert not silent


def test_no_module_has_outgrown_its_room():
    lengths = {
        dotted(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()
    }
    large = sorted(
        (name for name in lengths if lengths[name] > LINES_GOOD), key=lengths.__getitem__
    )
    report = "\n".join(f"{lengths[name]} {name}" for name in large)
    assert max(lengths.values()) <= LINES_MAX, f"over {LINES_GOOD} lines (split by noun):\n{report}"
