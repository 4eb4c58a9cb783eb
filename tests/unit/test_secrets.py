"""The folder of secrets: made once, private, and said plainly when something is missing."""

import stat

import pytest

from toldonce.kernel.errors import Invalid
from toldonce.runtime import secrets


def test_a_development_folder_is_made_once_and_is_private(tmp_path):
    folder = tmp_path / "data" / "secrets"
    made, again = secrets.make(folder), secrets.make(folder)
    assert made.tenant_key("demo") == again.tenant_key("demo")
    assert made.kek == again.kek
    assert made.signing is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in folder.iterdir()} == {0o600}
    assert sorted(f.name for f in folder.iterdir()) == ["kek-1.key", "tenant.key", "token-1.pem"]


def test_tenants_have_different_keys_and_nothing_shows_them(tmp_path):
    made = secrets.make(tmp_path)
    assert made.tenant_key("a") != made.tenant_key("b")
    assert len(made.tenant_key("a")) == 32
    assert made.kek.hex() not in repr(made)
    assert repr(made.kek) not in repr(made)


def test_the_newest_key_encryption_key_wraps_and_the_old_ones_stay_readable(tmp_path):
    old = secrets.make(tmp_path).kek
    secrets.write_once(tmp_path / "kek-10.key", "ab" * 32)
    secrets.write_once(tmp_path / "kek-9.key", "cd" * 32)
    now = secrets.load(tmp_path)
    assert now.kek_id == "10"
    assert now.kek == b"\xab" * 32
    assert now.keks["1"] == old


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("tenant.key", None, "tenant.key"),
        ("tenant.key", "zz", "tenant.key"),
        ("tenant.key", "abcd", "2 bytes"),
        ("kek-1.key", None, "kek-<id>.key"),
        ("token-1.pem", None, "token-<id>.pub"),
        ("token-1.pem", "hello", "token-1.pem"),
        ("token-2.pub", "hello", "token-2.pub"),
    ],
)
def test_a_missing_or_broken_secret_is_named(tmp_path, name, text, says):
    secrets.make(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(Invalid, match="secrets") as refused:
        secrets.load(tmp_path)
    assert says in str(refused.value)


def test_an_absent_folder_is_a_sentence(tmp_path):
    with pytest.raises(Invalid, match=r"tenant\.key"):
        secrets.load(tmp_path / "nowhere")
