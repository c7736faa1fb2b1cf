"""TF Serving's configuration and Docker Compose's: against its messages, and each other."""

import argparse
import importlib
import re
import runpy
import shlex
import sys

import pytest
import yaml
from google.protobuf import text_format
from manifests import pod, rendered
from running_server import SERVING
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.export.__main__ import FORMATS
from dmgan_tf.serving import options

# Of `BatchingParameters`, which no Python package has.
BATCHING_FIELDS = {
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
}


COMPOSE = yaml.safe_load((SERVING / "docker-compose.yaml").read_text())


@pytest.fixture(scope="module")
def model():
    text = (SERVING / "tf_serving" / "models.config").read_text()
    (config,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    return config


def test_models_config_is_tf_servings_message(model):
    assert (model.name, model.base_path, model.model_platform) == (
        *("dmgan", "/models/dmgan"),
        "tensorflow",
    )
    assert model.model_version_policy.latest.num_versions == 2
    assert dict(model.version_labels) == {"stable": 1}


def test_batching_parameters_name_known_fields():
    text = (SERVING / "tf_serving" / "batching_parameters.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"(\w+) \{ value: (\d+) \}", line) for line in lines]
    assert all(found)
    assert {match[1] for match in found} == BATCHING_FIELDS


@pytest.mark.parametrize("server", ["dmgan_serve", "tf_serving"])
def test_compose_runs_what_kubernetes_runs(server):
    service = COMPOSE["services"][server]
    (deployment,) = (o for o in rendered(SERVING / "kubernetes" / server) if pod(o))
    (container,) = pod(deployment)["containers"]
    assert service["image"] == container["image"]
    # A laptop has no endpoints that clients must be led to.
    assert set(service["command"]) <= set(container["args"])
    assert set(container["args"]) - set(service["command"]) <= {"--max-connection-age-seconds=60"}
    assert service["user"] == "65532:65532"
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["profiles"] == [server]  # each alone: they want the same ports
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]} - {"/tmp"}
    volumes = [volume.split(":") for volume in service["volumes"]]
    assert {place: mode for _, place, mode in volumes} == dict.fromkeys(mounts, "ro")


def test_files_that_tf_serving_is_told_of_are_there(model):
    service = COMPOSE["services"]["tf_serving"]
    named = {arg.rpartition("/config/")[2] for arg in service["command"] if "/config/" in arg}
    assert len(named) == 3
    folders = dict(volume.split(":")[1::-1] for volume in service["volumes"])
    assert {path.name for path in (SERVING / folders["/config"]).iterdir()} == {
        *named,
        "kustomization.yaml",
    }
    assert model.base_path.startswith("/models/")


def test_no_folder_in_serving_has_the_name_of_a_module():
    modules = {path.stem for path in SERVING.glob("*.py")}
    folders = {path.name for path in SERVING.iterdir() if path.is_dir()} | {"models"}
    assert not modules & folders


def test_readmes_options_have_their_defaults():
    rows = re.findall(r"^\| `--([a-z-]+)` \| (\d+) \|", (SERVING / "README.md").read_text(), re.M)
    defaults = vars(options.parser("").parse_args(["--model", f"dmgan={SERVING}"]))
    assert len(rows) > 8
    assert {name: int(default) for name, default in rows} == {
        name: defaults[name.replace("-", "_")] for name, _ in rows
    }


class ParsedError(Exception):
    """Ends a command as soon as its options are read."""


def main_of(program, words, monkeypatch):
    """The `main` of a command, and its arguments."""
    if program == "python":
        monkeypatch.syspath_prepend(SERVING.parent / "benchmarks")
        return runpy.run_path(str(SERVING.parent / words[0]))["main"], words[1:]
    module, words = COMMANDS[words[0]][0], words[1:]
    if module == COMMANDS["export"][0]:
        module, words = FORMATS[words[0]][0], words[1:]
    return importlib.import_module(module).main, words


def test_readmes_commands_have_the_options_that_they_are_given(tmp_path, monkeypatch):
    def parse(parser):
        raise ParsedError(real(parser))

    real = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    (tmp_path / "serving" / "models" / "dmgan").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    text = (SERVING / "README.md").read_text().replace("\\\n", "")
    found = re.findall(r"^(?:[A-Z_]+=\S+ )?(python|dmgan) (.*)", text, re.M)
    assert len(found) > 8
    for program, line in found:
        main, arguments = main_of(program, shlex.split(line, comments=True), monkeypatch)
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(ParsedError):
            main()
