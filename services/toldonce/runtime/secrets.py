"""The keys of a deployment, read from a folder; embedded mode makes that folder.

    tenant.key        32 bytes as 64 hex digits: makes customer ids; never rotates, never to be lost
    kek-<id>.key      32 bytes as 64 hex digits: wraps data keys; the greatest id wraps new ones. An
                      id drawn here is the moment of drawing (`20261122t124000`), the first is 1
    token-<id>.pub    PEM, Ed25519: whose tokens are believed (`id` is the token's `kid`)
    token-<id>.pem    PEM, Ed25519 private: only where tokens are issued (embedded mode)
    tokens/<role>.jwt development tokens, one a role (embedded mode)

A Kubernetes secret mounted as files has the same shape.
"""

import hmac
import os
import re
import secrets as entropy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import parse_tenant
from toldonce.runtime.cipher import KEY_BYTES

_KEK = re.compile(r"kek-([0-9a-z]{1,16})\.key")
_PUBLIC = re.compile(r"token-([0-9a-z]{1,16})\.pub")
_PRIVATE = re.compile(r"token-([0-9a-z]{1,16})\.pem")
_FIRST = "1"
_DRAWN = "%Y%m%dt%H%M%S"
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a process knows and never says; `repr` shows none of it."""

    tenant_root: bytes = field(repr=False)
    keks: Mapping[str, bytes] = field(repr=False)
    kek_id: str
    believed: Mapping[str, Ed25519PublicKey] = field(repr=False)
    signing: Ed25519PrivateKey | None = field(default=None, repr=False)
    signing_id: str = ""
    folder: Path | None = field(default=None, repr=False)

    def tenant_key(self, tenant: str) -> bytes:
        """Give the 32 bytes under which a tenant's customer ids are made."""
        return hmac.digest(self.tenant_root, b"tenant." + parse_tenant(tenant).encode(), "sha256")

    @property
    def kek(self) -> bytes:
        """The key-encryption key under which new data keys are wrapped."""
        return self.keks[self.kek_id]


def load(folder: Path) -> Secrets:
    """Read a folder of secrets; raises Invalid naming the file that is missing or wrong."""
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if "tenant.key" not in names:
        raise Invalid("secrets", f"there is no tenant.key in {folder}")
    keks, kek_id = load_keks(folder)
    believed = {f[1]: _public(folder / f[0]) for f in map(_PUBLIC.fullmatch, names) if f}
    private = {f[1]: _private(folder / f[0]) for f in map(_PRIVATE.fullmatch, names) if f}
    believed |= {kid: key.public_key() for kid, key in private.items()}
    if not believed:
        raise Invalid("secrets", f"there is no token-<id>.pub in {folder}: no token could be read")
    signing_id = max(private, key=_order) if private else ""
    return Secrets(
        tenant_root=_key(folder / "tenant.key"),
        keks=keks,
        kek_id=kek_id,
        believed=MappingProxyType(believed),
        signing=private.get(signing_id),
        signing_id=signing_id,
        folder=folder,
    )


def load_keks(folder: Path) -> tuple[Mapping[str, bytes], str]:
    """Read the key-encryption keys by id, and which is the newest; raises Invalid.

    One that is being destroyed (all zeros) counts as gone.
    """
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    keks = {found[1]: _key(folder / found[0]) for found in map(_KEK.fullmatch, names) if found}
    keks = {kek_id: kek for kek_id, kek in keks.items() if any(kek)}
    if not keks:
        raise Invalid("secrets", f"there is no kek-<id>.key in {folder}")
    return MappingProxyType(keks), max(keks, key=_order)


def draw_kek(folder: Path, now: datetime) -> str:
    """Draw a key-encryption key that is newer than every other; returns its id."""
    _, newest = load_keks(folder)
    last = kek_drawn_at(newest)
    at = now if last is None else max(now, last + timedelta(seconds=1))
    kek_id = at.strftime(_DRAWN)
    if _order(kek_id) <= _order(newest):
        raise Invalid("secrets", f"kek-{newest}.key was not named by us; no newer name is left")
    write_once(folder / f"kek-{kek_id}.key", entropy.token_hex(KEY_BYTES) + "\n")
    return kek_id


def destroy_kek(folder: Path, kek_id: str) -> None:
    """Overwrite a key-encryption key with zeros, then remove it; gone already is as good.

    What the disk keeps beneath the file system (copies on write, worn cells) is out of reach.
    """
    path = folder / f"kek-{kek_id}.key"
    try:
        handle = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(handle).st_size
        os.pwrite(handle, (b"0" * (2 * KEY_BYTES)).ljust(size, b"\n"), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
    path.unlink(missing_ok=True)
    _sync(folder)


def keks_there(folder: Path) -> list[str]:
    """List the ids of the key-encryption keys that have a file, oldest first."""
    found = (_KEK.fullmatch(entry.name) for entry in folder.iterdir())
    return sorted((one[1] for one in found if one), key=_order)


def kek_drawn_at(kek_id: str) -> datetime | None:
    """Say when a key-encryption key was drawn, by its id; None for one that was not drawn here."""
    try:
        return datetime.strptime(kek_id, _DRAWN).replace(tzinfo=UTC)
    except ValueError:
        return None


def make(folder: Path) -> Secrets:
    """Make what is missing of a development folder (modes 0700 and 0600), then read it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("tenant.key", f"kek-{_FIRST}.key"):
        write_once(folder / name, entropy.token_hex(KEY_BYTES) + "\n")
    pem = Ed25519PrivateKey.generate().private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_once(folder / f"token-{_FIRST}.pem", pem.decode())
    return load(folder)


def write_once(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole and on disk, unless it is there: two makers agree."""
    draft = path.with_name(f".{path.name}.{entropy.token_hex(4)}")
    _write(draft, text)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync(path.parent)


def write_over(path: Path, text: str) -> None:
    """Write a file of mode 0600 in place of the one that may be there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{entropy.token_hex(4)}")
    _write(draft, text)
    draft.replace(path)


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _order(key_id: str) -> tuple[int, str]:
    """Order ids so that 10 comes after 9."""
    return len(key_id), key_id


def _key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (ValueError, OSError) as exc:
        raise Invalid("secrets", f"{path} cannot be read as 64 hex digits") from exc
    if len(key) != KEY_BYTES:
        raise Invalid("secrets", f"{path} holds {len(key)} bytes, wanted {KEY_BYTES}")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm, OSError) as exc:
        raise Invalid("secrets", f"{path} is not a public key in PEM") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid("secrets", f"{path} is not an Ed25519 key")
    return key


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, OSError) as exc:
        raise Invalid("secrets", f"{path} is not a private key in PEM") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid("secrets", f"{path} is not an Ed25519 key")
    return key
