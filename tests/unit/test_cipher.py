"""Words under lock: what opens, and what must not."""

import pytest

from toldonce.runtime.cipher import Unreadable, seal, unseal, unwrap, wrap

KEY, OTHER = bytes(range(32)), bytes(32)
NONCE = b"twelve bytes"
PLACE = b"story.1.0.demo.x"


def test_words_come_back_as_they_were_sealed():
    for plain in (b"", "mein Paket fehlt 📦".encode(), b"x" * 49_152):
        sealed = seal(KEY, NONCE, plain, PLACE)
        assert len(sealed) == len(plain) + 16
        assert unseal(KEY, NONCE, sealed, PLACE) == plain


def test_sealed_words_do_not_open_with_another_key_place_nonce_or_any_changed_byte():
    sealed = seal(KEY, NONCE, b"where is my parcel", PLACE)
    changed = [
        bytes(b ^ (0x01 if i == at else 0) for i, b in enumerate(sealed))
        for at in range(len(sealed))
    ]
    tries = [
        (OTHER, NONCE, sealed, PLACE),
        (KEY, b"another one!", sealed, PLACE),
        (KEY, NONCE, sealed, b"story.1.0.demo.y"),
        (KEY, NONCE, sealed[:-1], PLACE),
        (KEY, NONCE, b"", PLACE),
        *((KEY, NONCE, bad, PLACE) for bad in changed),
    ]
    for key, nonce, text, place in tries:
        with pytest.raises(Unreadable):
            unseal(key, nonce, text, place)


def test_a_key_of_the_wrong_length_is_refused():
    for key, nonce in ((b"short", NONCE), (KEY, b"short"), (KEY + b"x", NONCE)):
        with pytest.raises(Unreadable):
            seal(key, nonce, b"words", PLACE)


def test_a_data_key_unwraps_only_in_its_own_place():
    wrapped = wrap(KEY, NONCE, OTHER, b"demo.block.0")
    assert len(wrapped) == 60
    assert unwrap(KEY, wrapped, b"demo.block.0") == OTHER
    with pytest.raises(Unreadable):
        unwrap(KEY, wrapped, b"demo.block.1")
    with pytest.raises(Unreadable):
        unwrap(KEY, wrapped[:-1], b"demo.block.0")
