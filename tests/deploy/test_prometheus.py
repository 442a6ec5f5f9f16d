"""The alert rules and the dashboard that come with Flowlog: valid, and about what `/metrics` says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db.models.functions import Now
from prometheus_client.parser import text_string_to_metric_families

from flowlog import heartbeats
from flowlog.monitoring import metrics
from integrations.models import NotificationLog, WebhookTally
from tests.deploy.guide import GUIDE
from tests.embedded import BASE_DIR
from tests.factories import make_instance, make_order

ALERTS = BASE_DIR / "deploy" / "prometheus-alerts.yml"
DASHBOARD = BASE_DIR / "deploy" / "grafana-dashboard.json"
SELECTOR = re.compile(r"\b(flowlog_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on|without|ignoring) ?\(([^)]*)\)")
# Prometheus's own. A label that the target has too gets another name, unless it is told to honor ours.
OF_TARGETS = {"job", "instance"}
OF_ALERTS = {"severity"}

type Metric = dict[str, set[str]]


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def targets() -> list[dict[str, str]]:
    return [target for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]


def expressions() -> list[str]:
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    return [
        *(rule["expr"] for rule in rules()),
        *(target["expr"] for target in targets()),
        *(each["query"]["query"] for each in variables if each["type"] == "query"),
    ]


@pytest.fixture
def exported(db: None) -> dict[str, Metric]:
    """What is exported while there is something of everything: each sample's labels, and the values that were seen."""
    make_instance()
    make_order(notify=True)
    heartbeats.beat(heartbeats.SWEEP, "default@test")
    WebhookTally.objects.create(source="evolution", name="flowlog", status=200, number=1, last_at=Now())
    found: dict[str, Metric] = {"up": {}}
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(f"exported_{label}" if label in OF_TARGETS else label, set()).add(value)
    return found


def test_each_names_metrics_and_labels_that_there_are(exported: dict[str, Metric]) -> None:
    # Of these labels the values are ours, and only some of them were seen.
    statuses = {*NotificationLog.Status.values, "200", "4.."}
    for expression in expressions():
        selectors = SELECTOR.findall(expression)
        assert selectors, expression
        for name, matchers in selectors:
            assert name in exported, f"{name} is not exported: {expression}"
            for label, _sign, value in MATCHER.findall(matchers):
                assert label in {*exported[name], *OF_TARGETS}, f"{name} has no label {label}"
                known = statuses if label == "status" else exported[name].get(label, set())
                assert label in OF_TARGETS or value in known, f"{name} never has {label}={value}"
        labels = {label for name, _matchers in selectors for label in exported[name]} | OF_TARGETS
        grouped = {label.strip() for found in GROUPED.findall(expression) for label in found.split(",")}
        assert grouped <= labels, expression


def test_their_words_use_labels_that_are_left(exported: dict[str, Metric]) -> None:
    of_rules = [(rule["expr"], " ".join(rule["annotations"].values()), r"\$labels\.(\w+)") for rule in rules()]
    of_panels = [(target["expr"], target["legendFormat"], r"\{\{(\w+)\}\}") for target in targets()]
    for expression, words, label in of_rules + of_panels:
        kept = re.match(r"(?:sum|min|max) by \(([^)]*)\)", expression)
        there = {each for name, _matchers in SELECTOR.findall(expression) for each in exported[name]} | OF_TARGETS
        left = {each.strip() for each in kept[1].split(",")} if kept else there
        assert set(re.findall(label, words)) <= left, words


def test_all_that_is_exported_is_on_the_dashboard(exported: dict[str, Metric]) -> None:
    shown = {name for target in targets() for name, _matchers in SELECTOR.findall(target["expr"])}
    assert set(exported) - shown == {"up"}


def test_the_alerts_are_told_in_words_with_what_to_do() -> None:
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["labels"]) == OF_ALERTS
        assert rule["alert"] in GUIDE


class TestPromtool:
    @pytest.fixture
    def promtool(self) -> str:
        program = shutil.which("promtool")
        if program is None and "CI" not in os.environ:
            pytest.skip("no promtool")
        assert program, "CI has promtool"
        return program

    def check(self, *command: str | Path) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def test_the_rules_are_valid(self, promtool: str) -> None:
        assert f"SUCCESS: {len(rules())} rules found" in self.check(promtool, "check", "rules", ALERTS)

    def test_each_alert_comes_when_it_must_and_not_else(self, promtool: str, tmp_path: Path) -> None:
        source = (Path(__file__).parent / "prometheus" / "alerts_test.yml").read_text()
        tried = set(re.findall(r"alertname: (\w+)", source))
        assert tried == {rule["alert"] for rule in rules()}
        tests = tmp_path / "tests.yml"
        tests.write_text(source.replace("[ALERTS]", json.dumps([str(ALERTS)])))
        self.check(promtool, "test", "rules", tests)

    def test_the_dashboards_queries_are_valid(self, promtool: str, tmp_path: Path) -> None:
        recorded = [{"record": f"panel:{place}", "expr": target["expr"]} for place, target in enumerate(targets())]
        file = tmp_path / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
        assert f"SUCCESS: {len(targets())} rules found" in self.check(promtool, "check", "rules", file)

    def test_the_guides_configuration_is_valid(self, promtool: str, tmp_path: Path) -> None:
        [block] = re.findall(r"(?ms)^```yaml\n(.*?)^```$", GUIDE)
        shutil.copy(ALERTS, tmp_path)
        file = tmp_path / "prometheus.yml"
        file.write_text(block)
        said = self.check(promtool, "check", "config", file)
        assert f"SUCCESS: {len(rules())} rules found" in said
        assert [job["job_name"] for job in yaml.safe_load(block)["scrape_configs"]] == ["flowlog"]
