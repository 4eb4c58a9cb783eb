"""The file of a learned model: JSON, as `toldonce train` writes it.

    {"format": "toldonce-topics-1",       another format is refused
     "classes": ["refund", "parcel"],     names of topics; others are never answered
     "pieces": [3, 4],                    pieces of words, from so many letters to so many
     "scale": 1016,                       from a sum of weights to a score (the calibration)
     "unseen": 653,                        rarity of all that is not among the features
     "unknown_below_pct": 50,             less sure than this is "unknown"
     "features": {"money back": [320, 0, 57, 1, -31], ...}}

A feature is a word, a pair of words, or `~` and a piece of `<word>`. Its numbers are its rarity,
then pairs of a class's place and its weight; a class that is not there weighs 0. All numbers are
whole. Further keys of the file say how it was made, and are not read.
"""

import json
from collections.abc import Iterator
from itertools import batched
from typing import Any

from toldonce.intake.core.learned import Feature, Model, packed
from toldonce.kernel.errors import Invalid

FORMAT = "toldonce-topics-1"
CLASSES_MAX = 1_000
FEATURES_MAX = 200_000
CELLS_MAX = 1 << 25  # features times classes: they are in memory, 4 bytes each
WEIGHT_MAX = 1 << 12  # so that FEATURES_MAX of them stay inside a field
RARITY_MAX = 1 << 12
SCALE_MAX = 1 << 20
_PIECE_MAX = 8


def parse(raw: bytes, version: str) -> Model:
    """Read a model; raises Invalid naming the path of what is wrong. `version` names the file."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Invalid("", f"is not JSON ({error})") from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise Invalid("format", f"wanted {FORMAT}: a file that `toldonce train` wrote")
    classes = tree.get("classes")
    if not isinstance(classes, list) or not 1 < len(classes) <= CLASSES_MAX:
        raise Invalid("classes", f"wanted a list of 2 to {CLASSES_MAX} names")
    if not all(isinstance(each, str) and each for each in classes):
        raise Invalid("classes", "wanted names only")
    if len(set(classes)) < len(classes):
        raise Invalid("classes", "holds a name twice")
    pieces = tree.get("pieces")
    if not isinstance(pieces, list) or len(pieces) != len("ab"):
        raise Invalid("pieces", "wanted two numbers")
    low, high = (_whole("pieces", each, 1, _PIECE_MAX) for each in pieces)
    return Model(
        version=version,
        classes=tuple(classes),
        pieces=(low, high),
        features=dict(_features(tree.get("features"), len(classes))),
        scale=_whole("scale", tree.get("scale"), 1, SCALE_MAX),
        unseen=_whole("unseen", tree.get("unseen"), 0, RARITY_MAX),
        unknown_below_pct=_whole("unknown_below_pct", tree.get("unknown_below_pct"), 0, 100),
    )


def _features(found: Any, classes: int) -> Iterator[tuple[str, Feature]]:  # noqa: ANN401 - JSON
    if not isinstance(found, dict) or not 0 < len(found) <= FEATURES_MAX:
        raise Invalid("features", f"wanted 1 to {FEATURES_MAX} of them")
    if len(found) * classes > CELLS_MAX:
        raise Invalid("features", f"times the classes are more than {CELLS_MAX}")
    for at, (name, numbers) in enumerate(found.items()):
        path = f"features[{at}]"  # not its name: that is somebody's words
        if not isinstance(numbers, list) or len(numbers) % 2 == 0:
            raise Invalid(path, "wanted its rarity, then pairs of a place and a weight")
        rarity, *pairs = numbers
        weights: dict[int, int] = {}
        for place, weight in batched(pairs, 2):
            if _whole(path, place, 0, classes - 1) in weights:
                raise Invalid(path, f"weighs class {place} twice")
            weights[place] = _whole(path, weight, -WEIGHT_MAX, WEIGHT_MAX)
        yield name, Feature(_whole(path, rarity, 1, RARITY_MAX), packed(weights))


def _whole(path: str, value: Any, low: int, high: int) -> int:  # noqa: ANN401 - JSON
    if type(value) is not int or not low <= value <= high:
        raise Invalid(path, f"wanted a whole number from {low} to {high}")
    return value
