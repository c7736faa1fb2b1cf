"""Grafana's dashboard asks for metrics and labels that a real server has."""

import json
import re

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from requests_and_answers import ask, post
from running_server import SERVING

from dmgan_tf.serving import metrics

DASHBOARD = json.loads((SERVING / "grafana_dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
# What is no metric's name; Prometheus itself adds the label `instance`.
WORDS = {"sum", "max", "by", "on", "and", "rate", "increase", "histogram_quantile", "instance"}


@pytest.fixture(scope="module")
def exposed(server):
    """Labels by the metrics' names: those declared and those of the samples."""
    declared = {
        metric._name: set(metric._labelnames)
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    }
    instance = {"caption": "a", "seed": 1}
    assert post(f"{server.rest}/dmgan:predict", {"instances": [instance]})[0] == 200
    found = {}
    families = text_string_to_metric_families(ask(f"{server.root}/metrics")[2].decode())
    for family in (f for f in families if not f.name.endswith("_created")):
        for suffix in SUFFIXES.get(family.type, [""]):
            samples = [s for s in family.samples if s.name == family.name + suffix]
            labels = {label for s in samples for label in s.labels}
            found[family.name + suffix] = declared.get(family.name, set()) | labels
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_metric_is_one_of_a_server(exposed, expression):
    named = re.findall(r"(\w+)\{(.*?)\}", expression)
    assert named
    used = set()
    for name, selected in named:
        assert name in exposed
        assert set(re.findall(r'(\w+)=~?"', selected)) <= exposed[name]
        used |= exposed[name] | {name}
    words = re.findall(r"[a-z]\w+", re.sub(r"\{.*?\}|\[.*?\]", "", expression))
    assert set(words) - WORDS - used == set()


def test_the_dashboard_shows_every_metric_of_the_server(exposed):
    shown = " ".join(EXPRESSIONS)
    ours = {name for name in exposed if name.startswith("serving_")}
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in ours}
    assert {name for name in families if name not in shown} == set()
    assert len(families) >= 10


def test_panels_have_numbers_and_a_source_of_their_own():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    names = {f"${{{variable['name']}}}" for variable in DASHBOARD["templating"]["list"]}
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} <= names
