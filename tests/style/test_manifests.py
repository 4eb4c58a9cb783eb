"""What runs in a cluster is what the code says: services, settings, users, probes, limits."""

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import trustme
import yaml

from deploy.nats_conf import TARGET, password_of, users_conf
from tests.style.tree import ROOT
from toldonce.cli.serve import Service
from toldonce.runtime.embedded import nats_binary
from toldonce.runtime.permissions import permissions
from toldonce.runtime.scrape import Scrape
from toldonce.runtime.settings import PREFIX, Settings

K8S = ROOT / "deploy" / "k8s"
BASE = K8S / "base"
VERSIONS = ("1.34", "1.37")
SERVICES = {service.value for service in Service}
WORKLOADS = ("Deployment", "StatefulSet", "Job")


@functools.cache
def documents(path):
    """Every manifest in a file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def listed():
    """The files of the base, as its kustomization lists them."""
    (kustomization,) = documents(BASE / "kustomization.yaml")
    return [BASE / name for name in kustomization["resources"]]


def everything():
    """Every manifest of the base, with the name of its file."""
    return [(path.name, each) for path in listed() for each in documents(path)]


def workloads():
    """Every manifest that runs pods, by its name."""
    return {each["metadata"]["name"]: each for _, each in everything() if each["kind"] in WORKLOADS}


def pod(workload):
    return workload["spec"]["template"]["spec"]


def container(workload):
    (only,) = pod(workload)["containers"]
    return only


def settings():
    """The variables that every service is given."""
    (found,) = documents(BASE / "settings.yaml")
    return found["data"]


def told(name):
    """Names of all variables a workload is given."""
    only = container(workloads()[name])
    return {each["name"] for each in only.get("env", ())} | (
        set(settings()) if only.get("envFrom") else set()
    )


@pytest.fixture(scope="module", params=["base", "overlays/dev", "overlays/prod"])
def built(request):
    """The manifests of a folder, as kustomize builds them."""
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl here to build the kustomization with")
    done = subprocess.run(  # noqa: S603 - a fixed command
        ["kubectl", "kustomize", str(K8S / request.param)],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_every_file_of_the_base_is_listed():
    assert {path.name for path in listed()} == {
        path.name for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml"
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(version):
    for name, each in everything():
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as wrong:
            pytest.fail(f"{name}, {each['kind']}: {wrong.message} at {list(wrong.path)}")


def test_kubernetes_refuses_a_manifest_with_a_misspelt_key():
    wrong = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "nam": "b"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_kustomize_builds_what_kubernetes_takes(built):
    for each in built:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
    names_built = {each["metadata"]["name"] for each in built if each["kind"] == "Deployment"}
    assert names_built >= SERVICES


def test_kustomize_gives_every_pod_a_configuration_that_exists(built):
    there = {each["metadata"]["name"] for each in built if each["kind"] == "ConfigMap"}
    for each in built:
        if each["kind"] not in WORKLOADS:
            continue
        volumes = [volume for volume in pod(each).get("volumes", ()) if "configMap" in volume]
        asked = {volume["configMap"]["name"] for volume in volumes}
        asked |= {source["configMapRef"]["name"] for source in container(each).get("envFrom", ())}
        assert asked <= there, each["metadata"]["name"]


def test_every_service_has_exactly_one_manifest():
    for service in SERVICES:
        own = [each for path, each in everything() if path == f"{service}.yaml"]
        kinds = sorted(each["kind"] for each in own)
        assert kinds == ["Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"], service
        assert {each["metadata"]["name"] for each in own} == {service}
    served = [tuple(container(each).get("args", ())) for each in workloads().values()]
    assert sorted(filter(None, served)) == sorted((service,) for service in SERVICES)


def test_every_variable_of_a_manifest_is_a_setting():
    known = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    for name in workloads():
        assert {each for each in told(name) if each.startswith(PREFIX)} <= known, name
    assert set(settings()) <= known


def test_every_service_is_told_who_it_is_and_where_the_servers_are():
    wanted = {"NATS", "NATS_USER", "NATS_PASSWORD", "NATS_MONITOR", "NATS_CA", "REDIS", "SECRETS"}
    for service in SERVICES:
        assert {PREFIX + each for each in wanted} <= told(service)
        env = {each["name"]: each.get("value") for each in container(workloads()[service])["env"]}
        assert env["TOLDONCE_NATS_USER"] == service


def test_settings_of_the_cluster_are_taken_by_the_process(monkeypatch):
    for name, value in settings().items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert read.listen().tls is not None
    assert read.replicas == len(read.nats.split(",")) == len(read.nats_monitor.split(","))
    assert read.replicas == workloads()["nats"]["spec"]["replicas"]


def test_nats_lets_in_exactly_the_users_of_the_table_of_names():
    assert TARGET.read_text(encoding="utf-8") == users_conf(), "run python deploy/nats_conf.py"
    users = set(re.findall(r"^ {6}user: (\w+)$", TARGET.read_text(encoding="utf-8"), re.MULTILINE))
    assert users == set(permissions())
    assert users == SERVICES | {"setup"}


def test_nats_takes_its_configuration_and_syncs_always(tmp_path):
    text = (BASE / "nats" / "nats.conf").read_text(encoding="utf-8")
    assert re.search(r"^\s*sync_interval: always$", text, re.MULTILINE)
    tls = tmp_path / "nats-tls"
    tls.mkdir()
    authority = trustme.CA()
    certificate = authority.issue_cert("nats-0.nats")
    certificate.private_key_pem.write_to_path(tls / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(tls / "tls.crt")
    authority.cert_pem.write_to_path(tls / "ca.crt")
    conf = tmp_path / "nats"
    conf.mkdir()
    moved = text.replace("/etc/nats-tls", str(tls)).replace('"/data"', json.dumps(str(tmp_path)))
    (conf / "nats.conf").write_text(moved)
    (conf / "users.conf").write_text(users_conf())
    secret = tmp_path / "nats-passwords"
    secret.mkdir()
    lines = [f'{password_of(user)}: "secret-{user}"\n' for user in permissions()]
    (secret / "passwords.conf").write_text("".join(lines))
    env = {
        each["name"]: each.get("value", "nats-0") for each in container(workloads()["nats"])["env"]
    }
    done = subprocess.run(  # noqa: S603 - our own binary
        [nats_binary(), "-c", str(conf / "nats.conf"), "-t"],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_pod_is_held_to_the_strictest_standard():
    for name, each in workloads().items():
        of_pod, only = pod(each), container(each)
        assert of_pod["securityContext"]["runAsNonRoot"] is True, name
        assert of_pod["securityContext"]["runAsUser"] > 0
        assert of_pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert of_pod["automountServiceAccountToken"] is False
        assert of_pod["serviceAccountName"] == name
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(only["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in only["resources"]["limits"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & of_pod.keys()


def test_every_probe_asks_a_page_that_exists():
    pages = Scrape("127.0.0.1", 0, metrics=bytes, not_ready=lambda: None)._pages  # noqa: SLF001
    for service in SERVICES:
        only = container(workloads()[service])
        ports = {each["name"]: each["containerPort"] for each in only["ports"]}
        assert ports == {"grpc": 7700, "metrics": 7790}
        assert str(ports["grpc"]) == settings()["TOLDONCE_PORT"]
        assert str(ports["metrics"]) == settings()["TOLDONCE_METRICS_PORT"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert only[probe]["httpGet"]["path"] in pages
            assert only[probe]["httpGet"]["port"] == "metrics"


def test_nobody_is_reached_except_along_edges_that_are_named():
    policies = {
        each["metadata"]["name"]: each["spec"]
        for _, each in everything()
        if each["kind"] == "NetworkPolicy"
    }
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, each in workloads().items():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == name
        assert labels["toldonce/part"] == ("server" if name in {"nats", "valkey"} else "service")


def test_every_image_has_a_version():
    for name, each in workloads().items():
        image = container(each)["image"]
        assert image == "toldonce" or re.search(r":\d+\.\d+", image), name


def test_every_secret_that_is_asked_for_is_described():
    said = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for each in workloads().values():
        mounted = [
            volume["secret"]["secretName"] for volume in pod(each)["volumes"] if "secret" in volume
        ]
        read = [
            one["valueFrom"]["secretKeyRef"]["name"]
            for one in container(each).get("env", ())
            if "secretKeyRef" in one.get("valueFrom", {})
        ]
        for name in (*mounted, *read):
            general = re.sub(rf"^(?:{'|'.join(workloads())})-(tls|access)$", r"<name>-\1", name)
            assert f"`{general}`" in said, f"docs/operations.md does not say what {name} is"


def test_the_image_is_locked_and_nobody_is_root_in_it():
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    build, final = text.split("\nFROM ")[1:]
    assert "--require-hashes" in build
    assert re.search(r"^USER [1-9]\d*:", final, re.MULTILINE)
    assert "pip install" not in final
    assert "apt-get" not in text
    assert final.rstrip().endswith('ENTRYPOINT ["toldonce", "serve"]')
    assert Path(ROOT / "requirements.txt").is_file()
