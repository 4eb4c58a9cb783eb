"""What a contact is about: by the phrases of the configuration, then by the learned model.

The first topic of which a phrase fits is taken; the model is asked only where none does. A phrase
fits when its words stand next to each other in the text, upper and lower case alike; a last word
that ends in `*` fits any ending. Phrases of the contact's own language come first; when none fits,
those of the other languages are tried, because short texts fool every detector.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from toldonce.intake.core.learned import Model
from toldonce.intake.core.texts import words_of
from toldonce.kernel.config import Topic
from toldonce.kernel.story.events import TopicBy

WORDS_MAX = 2_000


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


@dataclass(frozen=True, slots=True)
class Choice:
    """A topic ("": unknown), who said it, and of the model how sure it was, and which one."""

    topic: str = ""
    by: TopicBy = TopicBy.UNSPECIFIED
    sure_pct: int = 0
    model: str = ""


class Topics:
    """The topics of one configuration, ready to be looked for."""

    def __init__(self, topics: Mapping[str, Topic], model: Model | None = None) -> None:
        """Take the topics in their order, and the model that is asked where no phrase fits."""
        self._names = tuple(topics)
        self._model = model
        self._indexes: dict[str, _Index] = {}
        for place, topic in enumerate(topics.values()):
            for language, phrases in topic.words.items():
                index = self._indexes.setdefault(language, _Index())
                for phrase in phrases:
                    words = tuple(words_of(phrase))
                    if words:
                        index.add(_Phrase(words, phrase.rstrip().endswith("*"), place))

    @property
    def foreign(self) -> tuple[str, ...]:
        """The classes of the model that are no topic here; what it holds for one is unknown."""
        classes = self._model.classes if self._model is not None else ()
        return tuple(name for name in classes if name not in self._names)

    def choose(self, texts: Sequence[str], language: str) -> Choice:
        """Say what texts are about: by a phrase that stands in them, else by the model."""
        if found := self.find(texts, language):
            return Choice(found, TopicBy.WORDS)
        guess = self._model.guess(texts) if self._model is not None else None
        if self._model is None or guess is None or guess.name not in self._names:
            return Choice()
        return Choice(guess.name, TopicBy.MODEL, guess.sure_pct, self._model.version)

    def find(self, texts: Iterable[str], language: str) -> str:
        """Return the name of the first topic that fits one of `texts`, or ""."""
        words: list[str] = []
        for text in texts:
            words += [*words_of(text)[: WORDS_MAX - len(words)], ""]
        own = self._indexes.get(language)
        place = None if own is None else own.first(words)
        if place is None:
            others = (index for name, index in self._indexes.items() if name != language)
            found = [place for index in others if (place := index.first(words)) is not None]
            place = min(found, default=None)
        return "" if place is None else self._names[place]


def _fits(phrase: _Phrase, words: Sequence[str], at: int) -> bool:
    *sure, last = phrase.words
    end = at + len(sure)
    if end >= len(words) or words[at:end] != sure:
        return False
    return words[end].startswith(last) if phrase.open_end else words[end] == last
