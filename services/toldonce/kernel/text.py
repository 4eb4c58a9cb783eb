"""Text as people write it, brought into the one form in which it is kept.

Control characters are refused (no channel means them, and they break what shows the text), save
tab and the line ends, of which every kind becomes one newline. Marks that only turn the direction
of writing are taken out: they can make a text read otherwise than it is. What is left is brought
into Unicode NFC. Doing it twice changes nothing.
"""

import re
import unicodedata

from toldonce.kernel.errors import Invalid

_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_END = re.compile("\r\n?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAK = re.compile("[\t\n]+")


def clean(field: str, text: str, *, bytes_max: int) -> str:
    """Return a text of several lines in its one form; raises Invalid naming `field`."""
    if text.isascii() and text.isprintable():
        return _fitting(field, text, len(text), bytes_max)
    plain = _DIRECTION.sub("", _LINE_END.sub("\n", text))
    found = _CONTROL.search(plain)
    if found is not None:
        raise Invalid(field, f"holds the control character U+{ord(found[0]):04X}")
    plain = unicodedata.normalize("NFC", plain)
    try:
        size = len(plain.encode())
    except UnicodeEncodeError:
        raise Invalid(field, "holds half a character (a lone surrogate)") from None
    return _fitting(field, plain, size, bytes_max)


def one_line(field: str, text: str, *, bytes_max: int) -> str:
    """Return a text of one line, tabs and line ends made spaces; raises Invalid."""
    return _BREAK.sub(" ", clean(field, text, bytes_max=bytes_max)).strip()


def token(field: str, value: str, *, bytes_max: int) -> str:
    """Return something opaque exactly as it is; raises Invalid when it is empty or unprintable."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid(field, "holds half a character (a lone surrogate)") from None
    if not 0 < size <= bytes_max:
        raise Invalid(field, f"wanted 1 to {bytes_max} bytes, got {size}")
    if _CONTROL.search(value) or _BREAK.search(value):
        raise Invalid(field, "holds a control character")
    return value


def _fitting(field: str, text: str, size: int, bytes_max: int) -> str:
    if size > bytes_max:
        raise Invalid(field, f"has {size} bytes; at most {bytes_max} fit")
    return text
