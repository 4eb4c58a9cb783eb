"""Metrics say what they mean, and log lines hold no words."""

import io
import json
import logging

import pytest
import structlog

from toldonce.runtime import logs, telemetry
from toldonce.runtime.logs import only_known_fields
from toldonce.runtime.meter import SECONDS, Kind, Meter
from toldonce.runtime.telemetry import METRICS


def test_every_metric_has_a_name_a_unit_and_a_formula():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("toldonce_")
        assert metric.unit
        assert len(metric.formula) > 10
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        if metric.kind is Kind.HISTOGRAM:
            assert metric.name.endswith("_seconds") == (metric.buckets == SECONDS)
        assert not {"customer", "case", "contact", "text", "alias"} & set(metric.labels)


def test_a_metric_nobody_counts_with_is_absent():
    meter = Meter()
    assert meter.page() == b""
    meter.add(telemetry.APPEND_OUTCOMES, "committed")
    meter.add(telemetry.APPEND_OUTCOMES, "committed", by=2)
    meter.declare(telemetry.REPEATS)
    meter.observe(telemetry.APPEND_SECONDS, 0.003)
    meter.set(telemetry.OUTBOX_OVERDUE, 2)
    page = meter.page().decode()
    assert 'toldonce_append_outcomes_total{outcome="committed"} 3.0' in page
    assert "toldonce_repeats_total 0.0" in page
    assert 'toldonce_append_seconds_bucket{le="0.005"} 1.0' in page
    assert "toldonce_outbox_overdue 2.0" in page
    assert "toldonce_duplicates" not in page
    assert "_created" not in page


def test_metric_that_is_cleared_is_absent_until_it_is_set_again():
    meter = Meter()
    labels = ("demo", "chat", "retold", "24h")
    meter.set(telemetry.CHANNEL_SHARE, 0.5, *labels)
    meter.set(telemetry.CHANNEL_SHARE_GAP, 0.1, *labels)
    meter.clear(telemetry.CHANNEL_SHARE)
    meter.clear(telemetry.CHANNEL_WAIT)
    assert "toldonce_channel_share_ratio{" not in meter.page().decode()
    assert "toldonce_channel_share_gap_ratio{" in meter.page().decode()
    meter.set(telemetry.CHANNEL_SHARE, 0.25, "demo", "email", "retold", "24h")
    page = meter.page().decode()
    assert 'toldonce_channel_share_ratio{channel="email"' in page
    assert 'toldonce_channel_share_ratio{channel="chat"' not in page


def test_every_metric_can_be_exported():
    meter = Meter()
    for metric in METRICS:
        meter.declare(metric)
    page = meter.page().decode()
    for metric in METRICS:
        assert f"# HELP {metric.name} [{metric.unit}] " in page


def test_a_log_line_keeps_known_fields_and_names_the_others():
    line = {"event": "accepted", "case_id": "x", "wait_s": 1.5, "text": "my iban", "alias": "+31"}
    kept = only_known_fields(None, "info", line)
    assert kept == {
        "event": "accepted",
        "case_id": "x",
        "wait_s": 1.5,
        "dropped": ["text", "alias"],
    }


def test_a_logged_exception_says_where_and_never_what():
    try:
        int("jane@example.org")
    except ValueError as exc:
        kept = only_known_fields(None, "error", {"event": "fault", "exc_info": exc})
        same = only_known_fields(None, "error", {"event": "fault", "exc_info": True})
    assert kept == same
    assert kept["error"] == "ValueError"
    assert "test_telemetry.py" in kept["frames"][-1]
    assert "jane" not in json.dumps(kept)


@pytest.fixture
def logging_back():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_stderr_that_is_closed_stops_nobody(monkeypatch, logging_back):
    logs.set_up_logging(pretty=False)
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr("sys.stderr", gone)
    structlog.get_logger().error("nobody reads this")


def test_log_lines_are_json_on_stderr_and_libraries_speak_without_their_values(
    capsys, logging_back
):
    logs.set_up_logging(level="info", pretty=False)
    log = structlog.get_logger()
    log.debug("unseen")
    log.info("offered", tenant="demo", count=3)
    logging.getLogger("some.library").warning("could not parse %s", "jane@example.org")
    logging.getLogger("some.library").warning("jane@example.org could not be parsed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["offered", "a library says", "a library says"]
    assert lines[0]["tenant"] == "demo"
    assert lines[0]["count"] == 3
    assert lines[1]["sentence"] == "could not parse %s"
    assert "jane" not in json.dumps(lines)
