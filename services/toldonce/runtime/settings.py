"""Settings of a process: the variables `TOLDONCE_*`, and nothing that is not one of them.

A misspelt variable would be a setting that silently does nothing, so an unknown one is an error
that names what was probably meant.
"""

import difflib
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from toldonce.kernel.errors import Invalid, Problem
from toldonce.runtime.listening import Listen, Tls

PREFIX = "TOLDONCE_"

type TimersIn = Literal["redis", "jetstream"]


class ServiceSettings(BaseSettings):
    """What the settings of a service derive from; names are `TOLDONCE_<field>` in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )


class Settings(ServiceSettings):
    """Settings that every process understands."""

    host: str = "127.0.0.1"
    port: int = 7700
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 7790
    metrics_open: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    address: str = "127.0.0.1:7700"
    token: SecretStr = SecretStr("")
    tenant: str = "demo"

    data: Path = Path(".toldonce")
    secrets: Path | None = None
    nats: str = ""
    nats_monitor: str = ""
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    nats_ca: Path | None = None
    redis: str = ""
    replicas: int = 3
    tenants: str = "demo"
    topic_model: Path | None = None
    timers: TimersIn = "redis"

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_pretty: bool | None = None

    def listen(self) -> Listen:
        """Say where this process listens; raises Invalid when TLS is only half given."""
        given = (self.tls_cert, self.tls_key, self.tls_ca)
        cert, key, ca = given
        if cert and key and ca:
            tls = Tls(cert, key, ca)
        elif any(given):
            raise Invalid("tls", "give all of TOLDONCE_TLS_CERT, TOLDONCE_TLS_KEY, TOLDONCE_TLS_CA")
        else:
            tls = None
        return Listen(
            host=self.host,
            port=self.port,
            metrics_host=self.metrics_host,
            metrics_port=self.metrics_port,
            metrics_open=self.metrics_open,
            tls=tls,
        )

    def nats_options(self) -> dict[str, Any]:
        """Say who we are to NATS, as nats-py takes it: user, password, and TLS with `nats_ca`.

        Over TLS we show our own certificate. Raises Invalid when a file cannot be used.
        """
        found: dict[str, Any] = {}
        if self.nats_user:
            found["user"] = self.nats_user
            found["password"] = self.nats_password.get_secret_value()
        if self.nats_ca is not None:
            try:
                found["tls"] = ssl.create_default_context(cafile=self.nats_ca)
                if self.tls_cert and self.tls_key:
                    found["tls"].load_cert_chain(self.tls_cert, self.tls_key)
            except (OSError, ssl.SSLError) as exc:
                raise Invalid("nats_ca", f"no TLS to NATS with these files: {exc}") from exc
        return found

    def secrets_folder(self) -> Path:
        """Say where the secrets are: given, or inside the data folder."""
        return self.secrets or self.data / "secrets"


def read[S: ServiceSettings](kind: type[S]) -> S:
    """Read settings from the environment; raises Invalid naming each variable that is wrong."""
    try:
        return kind()
    except ValidationError as exc:
        first, *more = (
            Problem(_variable(error["loc"]), str(error["msg"])) for error in exc.errors()
        )
        raise Invalid(first.field, first.sentence, *more) from None


def refuse_unknown(environ: Mapping[str, str], kinds: Sequence[type[ServiceSettings]]) -> None:
    """Raise Invalid for a variable with our prefix that none of `kinds` knows."""
    known = {f"{PREFIX}{field}".upper() for kind in kinds for field in kind.model_fields}
    unknown = sorted(
        name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        first, *more = (Problem(name, _meant(name, known)) for name in unknown)
        raise Invalid(first.field, first.sentence, *more)


def _meant(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.75)
    return (
        f"there is no such setting; did you mean {near[0]}?"
        if near
        else ("there is no such setting")
    )


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "_".join(str(part) for part in location).upper()
