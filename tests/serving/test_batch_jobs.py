"""The indexed jobs that draw and score in shares: schemas, Pod Security, and options that hold."""

import importlib
import sys

import kubernetes_validate
import pytest
from manifests import breaches, pod, rendered
from running_server import SERVING

FOLDER = SERVING / "kubernetes" / "batch"


@pytest.fixture(scope="module")
def objects():
    return rendered(FOLDER)


def test_objects_are_those_of_kubernetes_schemas(objects):
    assert [found["kind"] for found in objects] == ["PersistentVolumeClaim", "Job", "Job"]
    for found in objects:
        for version in ("1.33", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(found, version, strict=True)
    assert not [breach for found in objects[1:] for breach in breaches(pod(found))]


@pytest.mark.parametrize("place", [1, 2])
def test_every_index_of_a_job_is_a_share_that_the_command_takes(objects, monkeypatch, place):
    spec = objects[place]["spec"]
    (container,) = pod(objects[place])["containers"]
    program, command = container["command"]
    assert (program, spec["completionMode"]) == ("dmgan", "Indexed")
    module = importlib.import_module(f"dmgan_tf.{command}")
    shares = []
    for index in range(spec["completions"]):
        args = [arg.replace("$(JOB_COMPLETION_INDEX)", str(index)) for arg in container["args"]]
        monkeypatch.setattr(sys, "argv", [command, *args])
        shares.append(module.parse_arguments().shard)
    assert shares == [(index, spec["completions"]) for index in range(spec["completions"])]
    claim = objects[0]["metadata"]["name"]
    assert pod(objects[place])["volumes"][0]["persistentVolumeClaim"] == {"claimName": claim}
