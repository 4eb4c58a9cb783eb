"""Sealing words: AES-256-GCM with the nonce and the associated data given by the caller.

A nonce is used once under one key: callers derive it from what is unique (an event's id) or draw
it from the system's source. The associated data binds a text to its place: moved elsewhere it
does not open.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from toldonce.kernel.errors import Refusal

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES


class Unreadable(Refusal):
    """It was sealed under another key, for another place, or was changed since."""


def seal(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """Return the sealed bytes: 16 longer than `plain`. `key` is 32 bytes, `nonce` 12."""
    return AESGCM(_sized(key, KEY_BYTES)).encrypt(_sized(nonce, NONCE_BYTES), plain, associated)


def unseal(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return what was sealed, or raise Unreadable."""
    try:
        return AESGCM(_sized(key, KEY_BYTES)).decrypt(
            _sized(nonce, NONCE_BYTES), sealed, associated
        )
    except InvalidTag as exc:
        raise Unreadable("these bytes do not open with this key in this place") from exc


def wrap(kek: bytes, nonce: bytes, key: bytes, associated: bytes) -> bytes:
    """Seal a data key under a key-encryption key: 60 bytes, the nonce first."""
    return nonce + seal(kek, nonce, _sized(key, KEY_BYTES), associated)


def unwrap(kek: bytes, wrapped: bytes, associated: bytes) -> bytes:
    """Return the 32 bytes of a wrapped data key, or raise Unreadable."""
    _sized(wrapped, WRAPPED_BYTES)
    return unseal(kek, wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], associated)


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise Unreadable(f"wanted {size} bytes here, got {len(value)}")
    return value
