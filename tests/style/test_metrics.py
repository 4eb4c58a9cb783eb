"""Metrics: each declared once with unit and formula, each counted with, each spoken of rightly."""

import ast
import re

from tests.style.tree import committed, dotted, modules
from toldonce.runtime import telemetry
from toldonce.runtime.meter import Kind, Metric
from toldonce.runtime.telemetry import METRICS

HOME, METER = "toldonce.runtime.telemetry", "toldonce.runtime.meter"
DECLARED = {name: value for name, value in vars(telemetry).items() if isinstance(value, Metric)}
# Promised by the design and counted by what is not built yet: absent from /metrics rather than 0.
UNBUILT: set[str] = set()
BASE_UNITS = {"seconds": "_seconds", "ratio": "_ratio", "bytes": "_bytes"}
SCALED = re.compile(r"_(?:ms|us|ns|millis\w*|micros\w*|minutes|hours|kib|kb|mib|mb|percent)\b")
SERIES = ("_bucket", "_sum", "_count")
# Not metrics, though they begin alike: the import package's parts, and file names.
SPOKEN = re.compile(r"(?<![\w./-])toldonce_[a-z0-9_]+(?![\w.]*\.(?:py|ya?ml|json|whl))")
DOCUMENTS = (".md", ".yaml", ".yml", ".json", ".conf", ".proto")


def used() -> dict[str, set[str]]:
    """For each declared metric the modules that name it outside an import."""
    found: dict[str, set[str]] = {name: set() for name in DECLARED}
    for path in modules():
        if dotted(path) == HOME:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == HOME
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in imported & set(found):
                found[node.id].add(dotted(path))
            if (
                isinstance(node, ast.Attribute)
                and node.attr in found
                and isinstance(node.value, ast.Name)
                and node.value.id == "telemetry"
            ):
                found[node.attr].add(dotted(path))
    return found


def known() -> set[str]:
    """Every name that may stand in a query: metrics, and the series of histograms."""
    names = {metric.name for metric in METRICS}
    return names | {
        metric.name + series
        for metric in METRICS
        if metric.kind is Kind.HISTOGRAM
        for series in SERIES
    }


def test_nobody_makes_a_metric_elsewhere():
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert ("prometheus_client" in text) == (dotted(path) == METER), path
        if dotted(path) == HOME:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != Metric.__name__, path


def test_every_declared_metric_is_counted_with():
    unused = {name for name, modules_ in used().items() if not modules_}
    assert unused - UNBUILT == set(), "declared, and nobody counts with it"
    assert UNBUILT - unused == set(), "built now: take it out of UNBUILT"


def test_every_metric_of_the_module_is_in_its_table():
    assert set(METRICS) == set(DECLARED.values())


def test_every_metric_has_a_name_a_base_unit_and_a_formula():
    for metric in METRICS:
        assert re.fullmatch(r"toldonce_[a-z][a-z0-9_]*[a-z0-9]", metric.name)
        assert re.fullmatch(r"[a-z]+", metric.unit), f"{metric.name}: a unit is one word"
        assert metric.formula.strip()
        assert not SCALED.search(metric.name), f"{metric.name}: base units only"
        bare = metric.name.removesuffix("_total")
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total"), metric.name
        for unit, suffix in BASE_UNITS.items():
            assert (metric.unit == unit) == bare.endswith(suffix), metric.name


def test_documents_manifests_and_comments_name_only_metrics_that_exist():
    names = known()
    for name, text in committed():
        if not name.endswith(DOCUMENTS) and not name.startswith("services/"):
            continue
        if name.startswith("services/toldonce/api/"):
            continue
        for spoken in SPOKEN.findall(text):
            assert spoken in names or spoken == "toldonce_", f"{name}: there is no metric {spoken}"


def test_every_metric_that_is_not_built_is_named_where_people_read():
    said = {name: text for name, text in committed() if name == "docs/operations.md"}
    for name in UNBUILT:
        assert DECLARED[name].name in said.get("docs/operations.md", "")
