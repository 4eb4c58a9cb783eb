"""YAML to a plain tree and back, and the line of each key.

Only what a configuration needs is read, by the rules of YAML 1.2: `no` is text, `17:00` is text and
`2026-12-25` is text. Tags, anchors and aliases are refused (so a small file cannot unfold into a
large one), and so are a key that is there twice and a second document.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from toldonce.kernel.errors import Invalid

TEXT_BYTES_MAX = 524_288
DEPTH_MAX = 20
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?([0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})")
_WORDS: dict[str, object] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
}


def load(text: str) -> object:
    """Read one document; raises Invalid with the line of what cannot be read."""
    return _Builder(text).build()


def dump(tree: Mapping[str, object]) -> str:
    """Write a mapping so that `load` gives it back; what is innermost stands on one line."""
    text: str = yaml.safe_dump(
        dict(tree), sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return text


def lines(text: str) -> dict[str, int]:
    """Return the line, counted from 1, of every path such as `queues[2].sla` of a readable text."""
    builder = _Builder(text)
    builder.build()
    return builder.lines


def line_of(known: dict[str, int], path: str) -> int:
    """Return the line of a path, or of the nearest one around it that is there."""
    while path and path not in known:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return known.get(path, 1)


@dataclass(slots=True)
class _Open:
    """A mapping or list being filled; `key` is the key that waits for its value."""

    path: str
    into: dict[str, object] | list[object]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    text: str
    lines: dict[str, int] = field(default_factory=dict)
    _stack: list[_Open] = field(default_factory=list)
    _root: object = None
    _documents: int = 0

    def build(self) -> object:
        if len(self.text.encode(errors="replace")) > TEXT_BYTES_MAX:
            raise Invalid("", f"the document is larger than {TEXT_BYTES_MAX} bytes")
        for event in _events(self.text):
            mark = event.start_mark
            self._take(event, 1 if mark is None else mark.line + 1)
        return self._root

    def _take(self, event: yaml.Event, line: int) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise Invalid("", f"line {line}: a second document begins here")
            case yaml.AliasEvent():
                raise Invalid(self._path(), f"line {line}: aliases are not read; write it out")
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.MappingStartEvent():
                self._open({}, event, line)
            case yaml.SequenceStartEvent():
                self._open([], event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._stack.pop()
            case _:
                pass

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._plain(event, line)
        value = _resolve(event.value) if event.implicit[0] else event.value
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.into, dict) and top.key is None:
            key = str(event.value)
            if key in top.into:
                raise Invalid(_joined(top.path, key), f"line {line}: the key is there twice")
            top.key = key
            self.lines[_joined(top.path, key)] = line
        else:
            self._place(value, line)

    def _open(
        self,
        into: dict[str, object] | list[object],
        event: yaml.MappingStartEvent | yaml.SequenceStartEvent,
        line: int,
    ) -> None:
        self._plain(event, line)
        if len(self._stack) >= DEPTH_MAX:
            raise Invalid(self._path(), f"line {line}: nested deeper than {DEPTH_MAX}")
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.into, dict) and top.key is None:
            raise Invalid(top.path, f"line {line}: a key must be text")
        path = self._path()
        self._place(into, line)
        self._stack.append(_Open(path, into))

    def _place(self, value: object, line: int) -> None:
        if not self._stack:
            self._root = value
            return
        self.lines.setdefault(self._path(), line)
        top = self._stack[-1]
        if isinstance(top.into, list):
            top.into.append(value)
        else:
            top.into[top.key or ""] = value
            top.key = None

    def _path(self) -> str:
        """Return the path of the value that comes next."""
        if not self._stack:
            return ""
        top = self._stack[-1]
        if isinstance(top.into, list):
            return f"{top.path}[{len(top.into)}]"
        return top.path if top.key is None else _joined(top.path, top.key)

    def _plain(self, event: yaml.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            raise Invalid(self._path(), f"line {line}: anchors are not read; write it out")
        if getattr(event, "tag", None) is not None:
            raise Invalid(self._path(), f"line {line}: tags are not read")


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except UnicodeEncodeError as error:
        raise Invalid("", "the document is not valid text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise Invalid("", f"{where}{error.problem or 'this is not YAML'}") from error
    except yaml.YAMLError as error:
        raise Invalid("", "the document holds characters that YAML does not allow") from error


def _resolve(word: str) -> object:
    if word in _WORDS:
        return _WORDS[word]
    if _WHOLE.fullmatch(word):
        return int(word)
    if _FRACTION.fullmatch(word):
        return float(word)
    return word


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
