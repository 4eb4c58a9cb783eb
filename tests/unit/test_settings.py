"""Settings: a wrong or misspelt variable is a sentence, not a surprise."""

import os
from pathlib import Path

import pytest

from toldonce.kernel.errors import Invalid
from toldonce.runtime.listening import Listen, refuse_plain_text
from toldonce.runtime.settings import ServiceSettings, Settings, read, refuse_unknown


@pytest.fixture(autouse=True)
def none_of_ours(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TOLDONCE_")]:
        monkeypatch.delenv(name)


class Timers(ServiceSettings):
    """Settings of some service."""

    timers_max: int = 100


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TOLDONCE_PORT", "0")
    monkeypatch.setenv("TOLDONCE_DATA", "/var/lib/toldonce")
    monkeypatch.setenv("TOLDONCE_TIMERS_MAX", "7")
    settings = read(Settings)
    assert settings.listen().port == 0
    assert settings.secrets_folder() == Path("/var/lib/toldonce/secrets")
    assert read(Timers).timers_max == 7


def test_a_wrong_value_names_its_variable(monkeypatch):
    monkeypatch.setenv("TOLDONCE_PORT", "seven")
    monkeypatch.setenv("TOLDONCE_LOG_LEVEL", "loud")
    monkeypatch.setenv("TOLDONCE_TIMERS", "paper")
    with pytest.raises(Invalid) as refused:
        read(Settings)
    named = {problem.field for problem in refused.value.problems}
    assert named == {"TOLDONCE_PORT", "TOLDONCE_LOG_LEVEL", "TOLDONCE_TIMERS"}


def test_an_unknown_variable_is_an_error_that_says_what_was_meant():
    environ = {"TOLDONCE_PROT": "1", "TOLDONCE_ZZZZ": "x", "HOME": "/", "TOLDONCE_TIMERS_MAX": "1"}
    with pytest.raises(Invalid) as refused:
        refuse_unknown(environ, [Settings, Timers])
    said = {problem.field: problem.sentence for problem in refused.value.problems}
    assert said.keys() == {"TOLDONCE_PROT", "TOLDONCE_ZZZZ"}
    assert "did you mean TOLDONCE_PORT?" in said["TOLDONCE_PROT"]
    assert "did you mean" not in said["TOLDONCE_ZZZZ"]
    refuse_unknown({"TOLDONCE_TIMERS_MAX": "1"}, [Settings, Timers])


def test_a_token_is_not_shown_with_the_settings(monkeypatch):
    monkeypatch.setenv("TOLDONCE_TOKEN", "very.secret.token")
    assert "secret.token" not in repr(read(Settings))


def test_half_of_tls_is_refused(monkeypatch):
    monkeypatch.setenv("TOLDONCE_TLS_CERT", "/tls/cert.pem")
    with pytest.raises(Invalid, match="TOLDONCE_TLS_KEY"):
        read(Settings).listen()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "192.168.1.4", "example.org", ""])  # noqa: S104
def test_plain_text_is_spoken_on_loopback_only(host):
    with pytest.raises(Invalid, match="plain text"):
        refuse_plain_text(Listen(host=host))
    with pytest.raises(Invalid, match="plain text"):
        refuse_plain_text(Listen(metrics_host=host))
    refuse_plain_text(Listen(metrics_host=host, metrics_open=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.8.8.8"])
def test_loopback_needs_no_tls(host):
    refuse_plain_text(Listen(host=host, metrics_host=host))
