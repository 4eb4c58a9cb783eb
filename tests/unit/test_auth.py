"""Tokens and the gate: who is believed, and what each may call."""

import base64
import json
import stat
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toldonce.api.config.v1 import config_pb2
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.sla.v1 import sla_pb2
from toldonce.kernel.errors import Denied, Invalid, Unauthenticated, Unbuilt
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import auth, secrets

ANN = Principal("demo", Role.AGENT, "ann")
SERVICES = [
    file.DESCRIPTOR.services_by_name[name]
    for file, name in (
        (intake_pb2, "IntakeService"),
        (routing_pb2, "RoutingService"),
        (ownership_pb2, "OwnershipService"),
        (sla_pb2, "SlaService"),
        (config_pb2, "ConfigService"),
    )
]
RULES = auth.rules_of(SERVICES)


class StillClock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return secrets.make(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
def tokens(kept, clock):
    return auth.Tokens(kept.believed, clock)


def claims(clock, **changed):
    now = int(clock.now().timestamp())
    whole = {
        "iss": "toldonce",
        "aud": "toldonce",
        "sub": "ann",
        "tenant": "demo",
        "role": "agent",
        "exp": now + 60,
    } | changed
    return {name: value for name, value in whole.items() if value is not None}


def sign(kept, body, **headers):
    return jwt.encode(
        body, kept.signing, algorithm="EdDSA", headers={"kid": kept.signing_id} | headers
    )


def raw(header, body, signature=b""):
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_token_we_issue_says_who_its_bearer_is(kept, clock, tokens):
    for role in Role:
        principal = Principal("demo", role, "someone")
        token = auth.issue(kept, principal, clock)
        assert tokens.verify(token) == principal
        assert tokens.verify(token) == principal


def test_a_token_ends_when_it_says_even_if_it_was_seen_before(kept, clock, tokens):
    token = auth.issue(kept, ANN, clock, life_s=60)
    tokens.verify(token)
    clock.at += timedelta(seconds=59)
    tokens.verify(token)
    clock.at += timedelta(seconds=1)
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            tokens.verify(token)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "somebody-else"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"sub": None},
        {"sub": "ann.*"},
        {"sub": 7},
        {"tenant": None},
        {"tenant": "*"},
        {"tenant": "demo.other"},
        {"tenant": ["demo"]},
        {"role": None},
        {"role": "king"},
        {"role": "AGENT"},
        {"nbf": 4_000_000_000},
    ],
)
def test_a_token_that_says_something_else_is_refused(kept, clock, tokens, changed):
    token = sign(kept, claims(clock, **changed))
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_a_token_signed_in_any_other_way_is_refused(kept, clock, tokens):
    body, kid = claims(clock), kept.signing_id
    public = next(iter(kept.believed.values()))
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    bare = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    good = sign(kept, body)
    head, payload, signature = good.split(".")
    stranger = Ed25519PrivateKey.generate()

    def hs256(key):
        signed = raw({"alg": "HS256", "typ": "JWT", "kid": kid}, body).rsplit(".", 1)[0]
        mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
            signed.encode(), key
        )
        return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    other_payload = raw({}, body | {"role": "admin"}).split(".")[1]
    tries = [
        "",
        "hello",
        "a.b.c",
        "x" * 5000,
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-4]}AAAA",
        f"{head}.{other_payload}.{signature}",
        raw({"alg": "none", "kid": kid}, body),
        raw({"alg": "None", "kid": kid}, body),
        raw({"alg": "EdDSA", "kid": kid}, body),
        hs256(pem),
        hs256(bare),
        jwt.encode(body, stranger, algorithm="EdDSA", headers={"kid": kid}),
        sign(kept, body, kid="9"),
        jwt.encode(body, kept.signing, algorithm="EdDSA"),
    ]
    for forged in tries:
        with pytest.raises(Unauthenticated):
            tokens.verify(forged)
    assert tokens.verify(good) == ANN


def test_a_refused_token_is_never_repeated_in_the_sentence(kept, clock, tokens):
    with pytest.raises(Unauthenticated) as refused:
        tokens.verify(sign(kept, claims(clock, aud="jane.doe@example.org")))
    assert "jane" not in str(refused.value)


def test_a_deployment_without_signing_key_issues_nothing(kept, clock, tmp_path):
    secrets.make(tmp_path)
    public = next(iter(kept.believed.values())).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "token-1.pem").unlink()
    (tmp_path / "token-1.pub").write_bytes(public)
    with pytest.raises(Unbuilt):
        auth.issue(secrets.load(tmp_path), ANN, clock)
    with pytest.raises(Invalid):
        auth.issue(kept, Principal("demo", Role.AGENT, "a.b"), clock)


def test_development_tokens_are_private_and_say_their_roles(kept, clock, tokens, tmp_path):
    for _ in range(2):
        written = auth.write_development_tokens(
            tmp_path, kept, clock, tenant="demo", subjects={Role.AGENT: "ann"}
        )
    assert written.keys() == set(Role)
    for role, path in written.items():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        subject = "ann" if role is Role.AGENT else role.value
        assert tokens.verify(path.read_text().strip()) == Principal("demo", role, subject)


def test_every_call_of_the_api_names_its_roles():
    assert len(RULES) > 40
    assert all(rule.roles and not rule.open for rule in RULES.values())


def test_each_role_passes_the_gate_only_where_the_proto_says(kept, clock, tokens):
    gate = auth.Gate(tokens, RULES)
    for method, rule in RULES.items():
        for role in Role:
            token = auth.issue(kept, Principal("other", role, "someone"), clock)
            metadata = [("user-agent", "x"), ("authorization", f"Bearer {token}")]
            if role not in rule.roles:
                with pytest.raises(Denied):
                    gate.admit(gate.rule(method), metadata)
            elif not rule.built:
                with pytest.raises(Unbuilt):
                    gate.admit(gate.rule(method), metadata)
            else:
                principal = gate.admit(gate.rule(method), metadata)
                assert principal == Principal("other", role, "someone")
                assert auth.current_principal() == principal


def test_the_gate_wants_a_token_for_all_but_health_and_reflection(kept, clock, tokens):
    gate = auth.Gate(tokens, RULES)
    health, reflection = "/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.X/Y"
    assert gate.admit(gate.rule(health), []) is None
    assert gate.admit(gate.rule(reflection), []) is None
    good = auth.issue(kept, ANN, clock)
    for method in (*RULES, "/grpc.channelz.v1.Channelz/GetServers", "/nobody/Nothing"):
        for metadata in (
            [],
            [("authorization", good)],
            [("authorization", f"Basic {good}")],
            [("authorization", b"Bearer x")],
            [("Authorization-Bin", f"Bearer {good}")],
        ):
            with pytest.raises(Unauthenticated):
                gate.admit(gate.rule(method), metadata)
    with pytest.raises(Denied):
        gate.admit(
            gate.rule("/grpc.channelz.v1.Channelz/GetServers"),
            [("authorization", f"Bearer {good}")],
        )
