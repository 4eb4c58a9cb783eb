"""Garbage is looked for as before however the making of what stays ends; much is put by once."""

import gc

import pytest

from toldonce.runtime import garbage


def test_nothing_is_looked_through_while_what_stays_is_made():
    with garbage.kept():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), garbage.kept():
        raise KeyError
    assert gc.isenabled()


def test_who_looked_for_none_before_looks_for_none_after():
    gc.disable()
    try:
        with garbage.kept():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_only_much_is_put_by_and_only_once():
    gc.unfreeze()
    try:
        garbage.settle(garbage.MANY - 1)
        assert not gc.get_freeze_count()
        garbage.settle(garbage.MANY)
        put_by = gc.get_freeze_count()
        assert put_by
        more = [[] for _ in range(1_000)]
        garbage.settle(garbage.MANY)
        assert gc.get_freeze_count() <= put_by
        assert len(more) == 1_000
    finally:
        gc.unfreeze()
