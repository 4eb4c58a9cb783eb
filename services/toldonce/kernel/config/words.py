"""How a sentence about the configuration shows a value and guesses what was meant."""

from collections.abc import Iterable, Mapping

SHOWN_MAX = 60
_NEAR_MAX = 2
_NUMBER_SHOWN_MAX = 10**15


def near(word: str, known: Iterable[str]) -> str:
    """Return the known word that differs by at most two letters, the nearest one, or ""."""
    if len(word) > SHOWN_MAX:
        return ""
    alike = (other for other in known if abs(len(other) - len(word)) <= _NEAR_MAX)
    best = min(((_distance(word, other), other) for other in alike), default=(_NEAR_MAX + 1, ""))
    return best[1] if best[0] <= min(_NEAR_MAX, len(word) // 2) else ""


def shown(value: object) -> str:
    """Write a value for a sentence, short and printable."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str() | float():
            return repr(value[:SHOWN_MAX] if isinstance(value, str) else value)
        case int():
            return str(value) if abs(value) < _NUMBER_SHOWN_MAX else "a very large number"
        case Mapping():
            return "keys and values"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _distance(one: str, other: str) -> int:
    """Count the letters to add, remove, change or swap to get from one word to the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            same = letter == wanted
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (not same)))
            swapped = i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted
            if swapped:
                row[j] = min(row[j], older[j - 2] + 1)
    return row[-1]
