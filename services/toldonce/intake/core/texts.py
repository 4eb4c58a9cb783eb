"""A text as words, for the phrases of the configuration and for the learned model alike."""

import re
import unicodedata

CHARS_MAX = 16_000
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """Take a text apart into words, upper and lower case alike; what is too long is cut off."""
    folded = unicodedata.normalize("NFC", text[:CHARS_MAX].casefold()).replace("\u2019", "'")
    return _WORD.findall(folded)
