"""Where a process listens: plain text is for this machine alone, others need mutual TLS."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc

from toldonce.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Tls:
    """Files (PEM) for mutual TLS: our certificate, its key, and whose clients are believed."""

    cert: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a process listens; port 0 picks a free one, `metrics_port` None opens none."""

    host: str = "127.0.0.1"
    port: int = 7700
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = 7790
    metrics_open: bool = False
    tls: Tls | None = None


def refuse_plain_text(listen: Listen) -> None:
    """Raise Invalid where a plain-text listener would be heard outside this machine."""
    if listen.tls is None and not _loopback(listen.host):
        raise Invalid(
            "host",
            f"{listen.host} can be reached from outside and this port would speak plain text: "
            "give TOLDONCE_TLS_CERT, TOLDONCE_TLS_KEY and TOLDONCE_TLS_CA, or use 127.0.0.1",
        )
    if listen.metrics_port is None or listen.metrics_open or _loopback(listen.metrics_host):
        return
    raise Invalid(
        "metrics_host",
        f"metrics on {listen.metrics_host} can be read from outside in plain text: say "
        "TOLDONCE_METRICS_OPEN=true if a network policy guards them, or use 127.0.0.1",
    )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def open_port(server: grpc.aio.Server, listen: Listen) -> int:
    """Let a server listen; returns the port, raises Invalid."""
    where = f"{listen.host}:{listen.port}"
    try:
        if listen.tls is None:
            return server.add_insecure_port(where)
        return server.add_secure_port(where, _credentials(listen.tls))
    except RuntimeError as exc:
        raise Invalid("port", f"cannot listen on {where}: is something else there?") from exc


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    try:
        key, cert, ca = (path.read_bytes() for path in (tls.key, tls.cert, tls.ca))
    except OSError as exc:
        raise Invalid("tls", f"cannot read {exc.filename}: {exc.strerror}") from exc
    return grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
