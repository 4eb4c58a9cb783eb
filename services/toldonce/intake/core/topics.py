"""What a contact is about, by the phrases of the configuration: the first topic that fits.

A phrase fits when its words stand next to each other in the text, upper and lower case alike; a
last word that ends in `*` fits any ending. Phrases of the contact's own language come first; when
none fits, those of the other languages are tried, because short texts fool every detector.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from toldonce.kernel.config import Topic

WORDS_MAX = 2_000
CHARS_MAX = 16_000
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase: its words, whether the last one fits any ending, and its topic's place."""

    words: tuple[str, ...]
    open_end: bool
    topic: int


@dataclass(slots=True)
class _Index:
    """The phrases of one language by their first word, whole or, for `word*`, its beginning."""

    whole: dict[str, list[_Phrase]] = field(default_factory=dict)
    begun: dict[str, list[_Phrase]] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()

    def add(self, phrase: _Phrase) -> None:
        alone = phrase.open_end and len(phrase.words) == 1
        (self.begun if alone else self.whole).setdefault(phrase.words[0], []).append(phrase)
        self.lengths = tuple(sorted({len(word) for word in self.begun}))

    def first(self, words: Sequence[str]) -> int | None:
        """Return the place of the first topic that fits, or None."""
        best: int | None = None
        for at, word in enumerate(words):
            for phrase in self._maybe(word):
                if (best is None or phrase.topic < best) and _fits(phrase, words, at):
                    best = phrase.topic
        return best

    def _maybe(self, word: str) -> Iterable[_Phrase]:
        yield from self.whole.get(word, ())
        for length in self.lengths:
            if length > len(word):
                return
            yield from self.begun.get(word[:length], ())


class Topics:
    """The topics of one configuration, ready to be looked for."""

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        """Take the topics in their order."""
        self._names = tuple(topics)
        self._indexes: dict[str, _Index] = {}
        for place, topic in enumerate(topics.values()):
            for language, phrases in topic.words.items():
                index = self._indexes.setdefault(language, _Index())
                for phrase in phrases:
                    words = tuple(_words(phrase))
                    if words:
                        index.add(_Phrase(words, phrase.rstrip().endswith("*"), place))

    def find(self, texts: Iterable[str], language: str) -> str:
        """Return the name of the first topic that fits one of `texts`, or ""."""
        words: list[str] = []
        for text in texts:
            words += [*_words(text)[: WORDS_MAX - len(words)], ""]
        own = self._indexes.get(language)
        place = None if own is None else own.first(words)
        if place is None:
            others = (index for name, index in self._indexes.items() if name != language)
            found = [place for index in others if (place := index.first(words)) is not None]
            place = min(found, default=None)
        return "" if place is None else self._names[place]


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFC", text[:CHARS_MAX].casefold()).replace("\u2019", "'")
    return _WORD.findall(folded)


def _fits(phrase: _Phrase, words: Sequence[str], at: int) -> bool:
    *sure, last = phrase.words
    end = at + len(sure)
    if end >= len(words) or words[at:end] != sure:
        return False
    return words[end].startswith(last) if phrase.open_end else words[end] == last
