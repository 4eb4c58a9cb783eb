"""Who is asking: signed tokens, and the gate that holds each call to the roles its proto names.

Tokens are EdDSA JWTs for the audience `toldonce`; tenant, role and name come from them and from
nowhere else. What a call needs stands in its descriptor (`roles`, `built`); a call without roles
is for administrators. Health and reflection ask nobody.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from toldonce.api.types.v1 import options_pb2
from toldonce.kernel.errors import Denied, Invalid, Unauthenticated, Unbuilt
from toldonce.kernel.ids import parse_name, parse_tenant
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime.clock import Clock
from toldonce.runtime.secrets import Secrets, write_over

AUDIENCE = "toldonce"
ISSUER = "toldonce"
TOKEN_LIFE_S = 900
DEVELOPMENT_LIFE_S = 30 * 86_400
TOKENS_MAX = 20_000
TOKEN_CHARS_MAX = 4096
_ALGORITHM = "EdDSA"
_REQUIRED = ["exp", "sub", "tenant", "role", "aud", "iss"]
_OPEN_SERVICES = ("/grpc.health.", "/grpc.reflection.")
_BEARER = "Bearer "

_principal: ContextVar[Principal] = ContextVar("principal")


def current_principal() -> Principal:
    """Say who asks for what is being done now; raises Unauthenticated outside of a call."""
    try:
        return _principal.get()
    except LookupError:
        raise Unauthenticated("nobody is asking here") from None


class Tokens:
    """Reads tokens and remembers those it has verified."""

    def __init__(
        self, believed: Mapping[str, Ed25519PublicKey], clock: Clock, *, issuer: str = ISSUER
    ) -> None:
        """`believed` are the public keys by the `kid` a token names."""
        self._believed = believed
        self._clock = clock
        self._issuer = issuer
        self._verified: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    def verify(self, token: str) -> Principal:
        """Say whom a token makes its bearer, or raise Unauthenticated."""
        known = self._verified.get(token)
        if known is None:
            known = self._verified[token] = self._read(token)
            if len(self._verified) > TOKENS_MAX:
                self._verified.popitem(last=False)
        principal, expires_at_s = known
        if self._clock.now().timestamp() >= expires_at_s:
            self._verified.pop(token, None)
            raise Unauthenticated("the token has expired: ask for a new one")
        return principal

    def _read(self, token: str) -> tuple[Principal, float]:
        if len(token) > TOKEN_CHARS_MAX:
            raise Unauthenticated("this is no token of ours")
        try:
            key = self._believed.get(str(jwt.get_unverified_header(token).get("kid", "")))
            if key is None:
                raise Unauthenticated("the token names no key that is believed here")
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
            return _principal_of(claims), float(claims["exp"])
        except (jwt.PyJWTError, Invalid, ValueError, TypeError) as exc:
            raise Unauthenticated(f"the token is not valid: {_reason(exc)}") from exc


def _principal_of(claims: Mapping[str, object]) -> Principal:
    tenant, role, subject = (claims[name] for name in ("tenant", "role", "sub"))
    if not (isinstance(tenant, str) and isinstance(role, str) and isinstance(subject, str)):
        raise Invalid("token", "tenant, role and sub are texts")
    return Principal(parse_tenant(tenant), Role(role), parse_name("sub", subject))


def _reason(exc: Exception) -> str:
    """Say what is wrong with a token in our own words: never echo what it held."""
    match exc:
        case jwt.InvalidAudienceError():
            return "it is for somebody else (aud)"
        case jwt.InvalidIssuerError():
            return "it was issued by somebody else (iss)"
        case jwt.MissingRequiredClaimError():
            return f"it has no {exc.claim}"
        case jwt.ImmatureSignatureError():
            return "it is not valid yet (nbf)"
        case jwt.InvalidSignatureError() | jwt.InvalidAlgorithmError():
            return "it is not signed by a key that is believed here"
        case _:
            return "it cannot be read"


def issue(
    secrets: Secrets,
    principal: Principal,
    clock: Clock,
    *,
    life_s: float = TOKEN_LIFE_S,
    issuer: str = ISSUER,
) -> str:
    """Sign a token for `principal`; raises Unbuilt where there is no signing key."""
    if secrets.signing is None:
        raise Unbuilt("this deployment has no signing key: tokens come from your own issuer")
    now = clock.now()
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": parse_name("sub", principal.subject),
        "tenant": parse_tenant(principal.tenant),
        "role": principal.role.value,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=life_s)).timestamp()),
    }
    return jwt.encode(
        claims, secrets.signing, algorithm=_ALGORITHM, headers={"kid": secrets.signing_id}
    )


def write_development_tokens(
    folder: Path, secrets: Secrets, clock: Clock, *, tenant: str, subjects: Mapping[Role, str]
) -> dict[Role, Path]:
    """Write `tokens/<role>.jwt` into a folder of secrets, new ones each time; good for 30 days.

    `subjects`: whose token it is where it is not simply the role's own name.
    """
    written = {}
    for role in Role:
        principal = Principal(tenant, role, subjects.get(role, role.value))
        written[role] = folder / "tokens" / f"{role.value}.jwt"
        token = issue(secrets, principal, clock, life_s=DEVELOPMENT_LIFE_S)
        write_over(written[role], token + "\n")
    return written


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method asks of its caller."""

    roles: frozenset[Role]
    built: bool
    open: bool = False


_CLOSED = Rule(frozenset({Role.ADMIN}), built=True)
_OPEN = Rule(frozenset(), built=True, open=True)


def rules_of(services: Iterable[ServiceDescriptor]) -> dict[str, Rule]:
    """Read the rule of every method, by its path, from the descriptors of its service."""
    return {
        f"/{service.full_name}/{method.name}": _rule(method)
        for service in services
        for method in service.methods
    }


class Gate:
    """Decides whether a call may go in."""

    def __init__(self, tokens: Tokens, rules: Mapping[str, Rule]) -> None:
        """`rules` as `rules_of` gives them."""
        self._tokens = tokens
        self._rules = rules

    def rule(self, method: str) -> Rule:
        """Give the rule of a method by its path `/package.Service/Method`."""
        if method.startswith(_OPEN_SERVICES):
            return _OPEN
        return self._rules.get(method, _CLOSED)

    def admit(self, rule: Rule, metadata: Iterable[tuple[str, str | bytes]]) -> Principal | None:
        """Say who asks (None where nobody is asked), and make it the current principal.

        Raises Unauthenticated, Denied or Unbuilt.
        """
        if rule.open:
            return None
        principal = self._tokens.verify(_bearer(metadata))
        if principal.role not in rule.roles:
            wanted = " or ".join(sorted(role.value for role in rule.roles)) or "nobody"
            raise Denied(f"this call is for {wanted}; the token says {principal.role.value}")
        if not rule.built:
            raise Unbuilt("this call is part of the design and not built in this version")
        _principal.set(principal)
        return principal


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
            return value[len(_BEARER) :]
    raise Unauthenticated("no token: send metadata `authorization: Bearer <token>`")


def _rule(method: MethodDescriptor) -> Rule:
    options = method.GetOptions()
    names = (options_pb2.Role.Name(number) for number in options.Extensions[options_pb2.roles])
    roles = frozenset(Role(name.removeprefix("ROLE_").lower()) for name in names)
    return Rule(roles, built=options.Extensions[options_pb2.built])
