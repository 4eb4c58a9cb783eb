"""References to what is kept elsewhere: what makes one, the same at every door."""

import re
from collections.abc import Sequence

from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.events import Reference
from toldonce.kernel.text import token

REFERENCES_MAX = 16
URI_BYTES_MAX = 1_024
MEDIA_TYPE_BYTES_MAX = 127
SIZE_BYTES_MAX = 2**53

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_MEDIA_TYPE = re.compile(r"[!-.0-~]+/[!-.0-~]+")
_SHA256 = re.compile("[0-9a-f]{64}")


def checked(given: Sequence[Reference]) -> tuple[Reference, ...]:
    """Return the references; raises Invalid naming the part of `attachments` that is wrong.

    An empty `sha256` stands for one that is not known.
    """
    if len(given) > REFERENCES_MAX:
        raise Invalid("attachments", f"at most {REFERENCES_MAX}")
    for at, one in enumerate(given):
        field = f"attachments[{at}]"
        if not _URI.fullmatch(token(f"{field}.uri", one.uri, bytes_max=URI_BYTES_MAX)):
            raise Invalid(f"{field}.uri", "wanted an absolute URI, such as https://...")
        kind = token(f"{field}.media_type", one.media_type, bytes_max=MEDIA_TYPE_BYTES_MAX)
        if not _MEDIA_TYPE.fullmatch(kind):
            raise Invalid(f"{field}.media_type", "wanted a media type, such as image/png")
        if one.size_bytes > SIZE_BYTES_MAX:
            raise Invalid(f"{field}.size_bytes", f"at most {SIZE_BYTES_MAX}")
        if one.sha256 and not _SHA256.fullmatch(one.sha256):
            raise Invalid(f"{field}.sha256", "wanted 64 lower-case hexadecimal characters")
    return tuple(given)
