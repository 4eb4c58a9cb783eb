"""What the documents for people tell them to type: fenced blocks, spans of code, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.style.tree import ROOT

README = ROOT / "README.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_TYPED = re.compile(r" <<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file: `blocks` are (language, text), `spans` the code inside sentences."""

    path: Path
    text: str
    blocks: tuple[tuple[str, str], ...]
    spans: tuple[str, ...]
    links: tuple[str, ...]

    def of(self, language: str) -> list[str]:
        """Give the blocks of a language."""
        return [text for kind, text in self.blocks if kind == language]


def read(path: Path = README) -> Document:
    """Read a document."""
    text = path.read_text(encoding="utf-8")
    prose = _FENCE.sub("", text)
    blocks = tuple((hit[1], hit[2]) for hit in _FENCE.finditer(text))
    return Document(path, text, blocks, tuple(_SPAN.findall(prose)), tuple(_LINK.findall(prose)))


def documents() -> list[Document]:
    """Everything written for those who use or run it."""
    return [read(path) for path in (README, *sorted((ROOT / "docs").rglob("*.md")))]


def commands(shell: str) -> Iterator[list[str]]:
    """Give the commands of a block as words, without what is typed into them."""
    for line in _TYPED.sub("", shell).splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def anchors(text: str) -> set[str]:
    """Give the names by which the headings of a document can be linked to."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}
