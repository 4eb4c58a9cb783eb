"""Options: `--json` alone or with a file, and who somebody is."""

from pathlib import Path

import pytest

from toldonce.cli.options import ADDRESS, address_of, arguments, token_of, who
from toldonce.kernel.errors import Invalid
from toldonce.kernel.principal import Role
from toldonce.runtime import secrets
from toldonce.runtime.auth import Tokens
from toldonce.runtime.clock import SystemClock

CASE = "0" * 26 + "1" * 26


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["demo", "--json"], ["demo", "--json=-"]),
        (["demo", "--json", "report.json"], ["demo", "--json", "report.json"]),
        (["demo", "--json", "--seed", "3"], ["demo", "--json=-", "--seed", "3"]),
        (["demo", "--json", "-"], ["demo", "--json", "-"]),
        (["demo", "--json=out"], ["demo", "--json=out"]),
        (["case", "--json", CASE], ["case", "--json=-", CASE]),
        (["case", "--json", CASE[:26]], ["case", "--json=-", CASE[:26]]),
        (["check", "--json", "a.yaml"], ["check", "--json=-", "a.yaml"]),
        (["check", "--", "--json"], ["check", "--", "--json"]),
    ],
)
def test_a_person_gives_json_with_or_without_a_file(given: list[str], meant: list[str]) -> None:
    assert arguments(given) == meant


def test_a_person_is_whom_they_say_or_the_usual_one() -> None:
    assert who("agent:anna", "service:cli") == (Role.AGENT, "anna")
    assert who("", "service:cli") == (Role.SERVICE, "cli")
    assert who("admin", "service:cli") == (Role.ADMIN, "admin")
    with pytest.raises(Invalid, match="gateway, agent, supervisor, admin, service"):
        who("boss:me", "service:cli")


def test_a_command_finds_the_address_that_up_left(tmp_path: Path) -> None:
    assert address_of("", tmp_path) == ADDRESS
    (tmp_path / "address").write_text("127.0.0.1:4711\n", encoding="utf-8")
    assert address_of("", tmp_path) == "127.0.0.1:4711"
    assert address_of("other:1", tmp_path) == "other:1"


def test_a_command_makes_a_token_that_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOLDONCE_TOKEN", raising=False)
    kept = secrets.make(tmp_path / "secrets")
    token = token_of("", "", tmp_path, "supervisor:cli")
    principal = Tokens(kept.believed, SystemClock()).verify(token)
    assert (principal.role, principal.subject) == (Role.SUPERVISOR, "cli")
    assert token_of("given", "", tmp_path, "supervisor:cli") == "given"
    with pytest.raises(Invalid, match="not both"):
        token_of("given", "admin:me", tmp_path, "supervisor:cli")


def test_a_command_says_where_it_looked_for_keys(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="toldonce up"):
        token_of("", "", tmp_path, "supervisor:cli")
