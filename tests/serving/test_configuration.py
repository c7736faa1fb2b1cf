"""TF Serving's configuration, Docker's and Kubernetes': against its messages, and each other."""

import re
import shlex

import pytest
import yaml
from google.protobuf import text_format
from running_server import SERVING
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.serving import options

# Of `BatchingParameters`, which no package on PyPI has.
BATCHING_FIELDS = {
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
}


def documents(name):
    return list(yaml.safe_load_all((SERVING / name).read_text()))


@pytest.fixture(scope="module")
def model():
    text = (SERVING / "models.config").read_text()
    (config,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    return config


@pytest.fixture(scope="module")
def deployment():
    (found,) = documents("kubernetes/deployment.yaml")
    return found


@pytest.fixture(scope="module")
def container(deployment):
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


def test_models_config_is_tf_servings_message(model):
    assert (model.name, model.base_path, model.model_platform) == (
        *("dmgan", "/models/dmgan"),
        "tensorflow",
    )
    assert model.model_version_policy.latest.num_versions == 2
    assert dict(model.version_labels) == {"stable": 1}


def test_batching_parameters_name_known_fields():
    text = (SERVING / "batching_parameters.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"(\w+) \{ value: (\d+) \}", line) for line in lines]
    assert all(found)
    assert {match[1] for match in found} == BATCHING_FIELDS


def test_all_containers_run_with_the_same_options_and_find_their_files(model, container):
    (compose,) = documents("docker-compose.yaml")
    service = compose["services"]["serving"]
    assert service["command"] == container["args"]
    named = {arg.rpartition("/config/")[2] for arg in container["args"] if "/config/" in arg}
    (kustomization,) = documents("kustomization.yaml")
    assert set(kustomization["configMapGenerator"][0]["files"]) == named
    mounted = {volume.split(":")[1] for volume in service["volumes"]}
    assert mounted == {"/models", *(f"/config/{name}" for name in named)}
    for name in (*named, *kustomization["resources"]):
        assert (SERVING / name).is_file()
    assert model.base_path.startswith("/models/")


def test_kubernetes_objects_name_each_other(model, deployment, container):
    (service,), (autoscaler,), (volume,) = (
        documents(f"kubernetes/{name}.yaml") for name in ("service", "autoscaler", "models-volume")
    )
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    volumes = {v["name"]: v for v in deployment["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == volume["metadata"]["name"]
    (kustomization,) = documents("kustomization.yaml")
    generated = kustomization["configMapGenerator"][0]["name"]
    assert volumes["config"]["configMap"]["name"] == generated
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == ports
    probe = container["readinessProbe"]["httpGet"]
    assert (probe["path"], probe["port"]) == (f"/v1/models/{model.name}", "rest")


def test_readmes_options_have_their_defaults():
    rows = re.findall(r"^\| `--([a-z-]+)` \| (\d+) \|", (SERVING / "README.md").read_text(), re.M)
    defaults = vars(options.parser("").parse_args(["--model", f"dmgan={SERVING}"]))
    assert len(rows) > 8
    assert {name: int(default) for name, default in rows} == {
        name: defaults[name.replace("-", "_")] for name, _ in rows
    }


def test_readmes_commands_are_there():
    lines = (SERVING / "README.md").read_text().splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith(("python ", "dmgan "))]
    assert {program for program, *_ in commands} == {"python", "dmgan"}
    for program, name, *_ in commands:
        assert name in COMMANDS if program == "dmgan" else (SERVING.parent / name).is_file()
