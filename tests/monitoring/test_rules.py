"""The alarms and the dashboard of packaging/: what they name exists, and every alarm sounds when it should."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamdns.consumer.progress import ALARMS as REASONS
from streamdns.consumer.progress import STATES
from streamdns.metrics.catalogue import LABEL_VALUES, METRICS, Metric, prometheus_name
from streamdns.runtime.log_events import LOG_EVENTS
from streamdns.settings.table import BY_NAME
from tests.harness import ROOT, Server, event_line, free_port, wait_until
from tests.harness.monitoring import Prometheus
from tests.harness.peers import find_tool
from tests.monitoring.alarms import ALARMS, Series
from tests.monitoring.asking import ask, served

RULES = ROOT / "packaging" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "packaging" / "grafana" / "streamdns.json"
OPERATIONS = ROOT / "docs" / "operations.md"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}


def exposed() -> dict[str, Metric]:
    """Every name that Prometheus gets from us, with its metric."""
    found = {}
    for metric in METRICS:
        name = prometheus_name(metric)
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found.update({name + suffix: metric for suffix in suffixes})
    return found


EXPOSED = exposed()


def expressions(node: Any) -> Iterator[str]:
    """Every expression of the dashboard, those of its variables among them."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query", "definition") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for each in node:
            yield from expressions(each)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


SHOWN = list(expressions(json.loads(DASHBOARD.read_text())))
ASKED = [str(rule["expr"]) for rule in ALERTS.values()] + SHOWN
SERIES = [f"streamdns_{name}" for alarm in ALARMS.values() for name in [*alarm.bad, *alarm.good] if name != "up"]


@pytest.mark.parametrize("expression", [*ASKED, *SERIES])
def test_what_is_named_exists(expression: str) -> None:
    """Metrics as Prometheus shows them, their labels, and the values of these where they are known."""
    names = re.findall(r"\bstreamdns_\w+", expression)
    assert names or expression in ("prometheus", 'up{job="streamdns"} == 0'), expression
    assert not set(names) - set(EXPOSED)
    for name, inside in re.findall(r"\b(streamdns_\w+)\{([^}]*)\}", expression):
        metric = EXPOSED[name]
        for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', inside):
            known = {*metric.labels, "instance", "job"} | ({"le"} if name.endswith("_bucket") else set())
            assert label in known, (name, label)
            if operator == "=" and label in LABEL_VALUES:
                assert value in LABEL_VALUES[label], (name, label, value)
            if label == "state":
                assert set(value.split("|") if "~" in operator else [value]) <= set(STATES)
            if metric.name == "consumer.alarms" and label == "reason":
                assert value in REASONS


def test_every_reason_of_an_alarm_has_one() -> None:
    """What the consumer counts as an alarm is one in Prometheus, too."""
    named = re.findall(r'reason="([^"]+)"', " ".join(str(rule["expr"]) for rule in ALERTS.values()))
    assert set(REASONS) <= set(named)


def anchors() -> set[str]:
    """The anchors of docs/operations.md, as they are made from its headings."""
    headings = re.findall(r"^#+ (.+)$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alarm_has_a_page(alert: str) -> None:
    """Its runbook exists and names it; it has a severity and a summary that says where."""
    rule = ALERTS[alert]
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == OPERATIONS
    assert anchor in anchors()
    section = re.split(r"^#+ ", OPERATIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    about = [each for each in section if f"`{alert}`" in each]
    assert about, f"docs/operations.md says nothing of {alert}"
    assert any(anchors_of(each) == anchor for each in about)
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert "{{ $labels.instance }}" in rule["annotations"]["summary"]


def anchors_of(section: str) -> str:
    return re.sub(r"[^\w -]", "", section.splitlines()[0].lower()).replace(" ", "-")


def test_every_error_in_the_log_is_in_the_operations_page() -> None:
    """Whatever is logged as an error is explained there, under the alarm that it belongs to or for itself."""
    text = OPERATIONS.read_text(encoding="utf-8")
    missing = [event.name for event in LOG_EVENTS if event.level == "error" and f"`{event.name}`" not in text]
    assert not missing


def test_the_operations_page_names_what_exists() -> None:
    """Alarms, log events, metrics, settings, commands and sections, and no others."""
    text = OPERATIONS.read_text(encoding="utf-8")
    assert set(re.findall(r"`(Streamdns\w+)`", text)) == set(ALERTS)
    assert set(re.findall(r"\bstreamdns_\w+", text)) <= set(EXPOSED)
    events, metrics = {event.name for event in LOG_EVENTS}, {metric.name for metric in METRICS}
    components = {name.partition(".")[0] for name in events | metrics}
    dotted = {each for each in re.findall(r"`([a-z]+\.[a-z_]+)`", text) if each.partition(".")[0] in components}
    assert dotted <= events | metrics, dotted - events - metrics
    assert set(re.findall(r"\b(?:DNS|LOG)_[A-Z_]+", text)) <= set(BY_NAME)
    commands = set(re.findall(r"^## streamdns (\w+)", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE))
    assert set(re.findall(r"`streamdns (\w+)", text)) <= commands
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors()
    pages = {page for page in re.findall(r"\]\(([\w-]+\.md)", text) if not (OPERATIONS.parent / page).exists()}
    assert not pages


def test_every_alarm_has_figures_at_which_it_sounds() -> None:
    assert set(ALARMS) == set(ALERTS)


def _input(series: Series, instance: str) -> list[dict[str, str]]:
    found = []
    for name, values in series.items():
        base, _, inside = name.rstrip("}").partition("{")
        labels = ",".join(filter(None, [inside, f'instance="{instance}",job="streamdns"']))
        prefix = "" if base == "up" else "streamdns_"
        found.append({"series": f"{prefix}{base}{{{labels}}}", "values": values})
    return found


def _expected(alert: str) -> dict[str, Mapping[str, str]]:
    rule, alarm = ALERTS[alert], ALARMS[alert]
    labels = {"instance": alert, "job": "streamdns"} | alarm.labels
    summary = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], rule["annotations"]["summary"])
    annotations = rule["annotations"] | {"summary": summary.replace("{{ $value }}", alarm.value)}
    return {"exp_labels": labels | rule["labels"], "exp_annotations": annotations}


def _promtool(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(find_tool("promtool")), *arguments], input=data, capture_output=True, timeout=60, check=False
    )


@pytest.mark.peers("promtool")
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = _promtool("check", "rules", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found".encode() in done.stdout + done.stderr


@pytest.mark.peers("promtool")
def test_every_alarm_sounds_when_it_should_and_only_then(tmp_path: Path) -> None:
    """Each for the node with its bad figures, and for no other: not for its healthy twin, nor where others sound."""
    series, asked = [], []
    for alert, alarm in ALARMS.items():
        series += _input(alarm.bad, alert) + _input(alarm.good, f"{alert} in health")
        asked.append({"eval_time": alarm.after, "alertname": alert, "exp_alerts": [_expected(alert)]})
    test = {"name": "all", "interval": "1m", "input_series": series, "alert_rule_test": asked}
    document = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    file = tmp_path / "rules-test.json"
    file.write_text(json.dumps(document))
    done = _promtool("test", "rules", str(file))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    # What is expected is really looked at: a test that expects the wrong thing fails.
    asked[0]["exp_alerts"] = []
    file.write_text(json.dumps(document))
    assert _promtool("test", "rules", str(file)).returncode != 0


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    """Its form: variables for the source of data and the node, rows, panels that do not overlap, each with targets."""
    board = json.loads(DASHBOARD.read_text())
    assert board["schemaVersion"] >= 36
    assert board["uid"]
    assert board["id"] is None
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["instance"]["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    rows = [panel["title"] for panel in panels() if panel["type"] == "row"]
    assert rows == ["Answers", "Propagation", "Consumer", "Resolver", "Process"]
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["type"] in ("timeseries", "stat", "heatmap", "table")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert 'instance=~"$instance"' in target["expr"]


def test_prometheus_takes_the_rules_and_understands_the_dashboard(
    serve: Callable[..., Server], prometheus: Callable[..., Prometheus]
) -> None:
    """With the figures of a real process: every rule is evaluated, a bad event starts the alarm of it, and every panel
    has values but those of what this process does not have.
    """
    own = free_port()
    server = served(serve, DNS_METRICS_ADDRESS=f"127.0.0.1:{own}", DNS_STATSD_ADDRESS=f"127.0.0.1:{free_port()}")
    scraper = prometheus(f"127.0.0.1:{own}", rules=RULES)
    ask(server)
    server.append(b'{"key": "nothing", "value": null, "timestamp": 1}\n')
    wait_until(lambda: scraper.query("rate(streamdns_dns_queries_total[1m])"), "it is scraped, and again")
    server.publish("new.example.org", "A", ["192.0.2.1"])
    server.wait_applied()
    server.answers("new.example.org")

    def rules() -> dict[str, dict[str, Any]]:
        groups = scraper.get("/api/v1/rules")["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    wait_until(lambda: rules()["StreamdnsQuarantine"]["state"] == "pending", "the alarm of the quarantine begins")
    wait_until(lambda: {each["health"] for each in rules().values()} == {"ok"}, "every rule was evaluated")
    found = rules()
    assert set(found) == set(ALERTS)
    assert not [each for each in found.values() if each.get("lastError")]
    sounding = {name for name, each in found.items() if each["state"] != "inactive"}
    assert sounding <= {"StreamdnsQuarantine", "StreamdnsMetricsLost", "StreamdnsNoRoomForRebuild"}
    wait_until(lambda: scraper.query("streamdns_propagation_answered_seconds_count > 0"), "the event is seen")

    def empty() -> set[str]:
        named = set()
        for panel in panels():
            for target in panel.get("targets", ()):
                expression = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
                if not scraper.query(expression):
                    named |= set(re.findall(r"streamdns_(\w+)", expression))
        # There are no resolver, no other nodes and no workers here.
        return {each for each in named if not each.startswith(("resolver_", "nodes_", "workers_"))}

    wait_until(lambda: empty() <= {"view_audit_wrong", "admin_signins_total"}, "every panel has values")
    server.log.write_bytes(event_line("other.example.org.|A", None, 1))
    wait_until(lambda: rules()["StreamdnsLogReplaced"]["state"] == "firing", "the alarm of the log sounds")
