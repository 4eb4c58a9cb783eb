"""What a contact is about, by a model learned from examples: asked where no phrase fits.

The model is multinomial logistic regression over the words of a text, pairs of words, and pieces
of words, each present or not, rarer ones counting more (inverse document frequency), the text
scaled to length 1. What the model has never seen counts in that length, so a text that is mostly
strange to it makes it less sure. All of it was rounded to whole numbers when the model was written,
so the same text has the same answer on every machine. Scores are in units of ln(64/63): one more is
64/63 times as likely. How sure it is, is the share of the best class among all (softmax), brought
in line by the scale in the file (temperature scaling: Guo et al. 2017, On Calibration of Modern
Neural Networks).

A row of weights is kept as one long integer, a field of 32 bits a class, so that adding up the rows
of a text is adding integers.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import isqrt

from toldonce.intake.core.texts import words_of

WORDS_MAX = 400
FIELD_BITS = 32
_MIDDLE = 1 << (FIELD_BITS - 1)
_SURE_PCT_MAX = 99


def _likelihoods() -> tuple[int, ...]:
    """Give how likely a class is that stands so many units behind the best: (63/64)^units."""
    found = [1 << 40]
    while found[-1]:
        found.append(found[-1] * 63 // 64)
    return tuple(found)


_BEHIND = _likelihoods()


@dataclass(frozen=True, slots=True)
class Guess:
    """The class a model holds for the likeliest, and how sure it is, in percent."""

    name: str
    sure_pct: int


@dataclass(frozen=True, slots=True)
class Feature:
    """How rare it is (64 times its inverse document frequency), and its weights, one a class."""

    rarity: int
    row: int


@dataclass(frozen=True, slots=True)
class Model:
    """A model as its file has it; `version` names the file, `unknown_below_pct` is its floor.

    `unseen` is the rarity of every feature that is not among its own.
    """

    version: str
    classes: tuple[str, ...]
    pieces: tuple[int, int]
    features: Mapping[str, Feature]
    scale: int
    unseen: int
    unknown_below_pct: int

    def guess(self, texts: Iterable[str]) -> Guess | None:
        """Say what texts are about; None when nothing in them is known, or it is not sure."""
        found = self.likeliest(texts)
        return None if found is None or found.sure_pct < self.unknown_below_pct else found

    def likeliest(self, texts: Iterable[str]) -> Guess | None:
        """Say what texts are about, however unsure; None when nothing in them is known.

        Of classes that are equal the first is taken.
        """
        known, there = self.features, set(features_of(texts, self.pieces))
        seen = [known[one] for one in there if one in known]
        if not seen:
            return None
        strange = (len(there) - len(seen)) * self.unseen**2
        length = isqrt(sum(one.rarity**2 for one in seen) + strange)
        total = sum(one.row for one in seen)
        scores = [each * self.scale // length for each in _fields(total, len(self.classes))]
        best = max(scores)
        last = len(_BEHIND) - 1
        shares = sum(_BEHIND[min(best - score, last)] for score in scores)
        sure = min(100 * _BEHIND[0] // shares, _SURE_PCT_MAX)
        return Guess(self.classes[scores.index(best)], sure)


def features_of(texts: Iterable[str], pieces: tuple[int, int]) -> Iterator[str]:
    """Give the words of texts, the pairs that stand together, and the `pieces` of each word.

    Pieces are runs of so many letters, from `pieces[0]` to `pieces[1]`, of `<word>`. A feature may
    come more than once; of long texts the first `WORDS_MAX` words count.
    """
    left = WORDS_MAX
    for text in texts:
        words = words_of(text)[:left]
        left -= len(words)
        yield from words
        yield from (f"{one} {two}" for one, two in pairwise(words))
        for word in set(words):
            marked = f"<{word}>"
            for size in range(pieces[0], pieces[1] + 1):
                for at in range(len(marked) - size + 1):
                    yield f"~{marked[at : at + size]}"


def packed(weights: Mapping[int, int]) -> int:
    """Write weights, by the place of their class, as one row."""
    return sum(weight << (FIELD_BITS * place) for place, weight in weights.items())


def _fields(total: int, count: int) -> Iterable[int]:
    """Read what a row, or a sum of rows, holds for each class."""
    raw = (total + _middles(count)).to_bytes(FIELD_BITS // 8 * count, "little")
    return (field - _MIDDLE for field in struct.unpack(f"<{count}I", raw))


@lru_cache(maxsize=16)
def _middles(count: int) -> int:
    """Give the row that lifts every field above nothing, so that none borrows from the next."""
    return packed(dict.fromkeys(range(count), _MIDDLE))
