"""Training on Kubernetes: the manifests' schemas, Pod Security, TF_CONFIG, and what is retried."""

import copy
import json
import re
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from manifests import breaches
from running_server import SERVING

import dmgan_tf
from dmgan_tf.config_file import find_config, load_config
from dmgan_tf.errors import LostWorker

FOLDER = SERVING / "kubernetes" / "training"
SCHEMAS = yaml.safe_load(Path(__file__).with_name("training_crds.yaml").read_text("utf-8"))
FILES = {"JobSet": "jobset", "TFJob": "tfjob", "ClusterTrainingRuntime": "runtime"}
WORKERS = 4
FIELDS = {
    "metadata.annotations['batch.kubernetes.io/job-completion-index']": "{index}",
    "metadata.labels['jobset.sigs.k8s.io/jobset-name']": "dmgan-cub",
}


def load(name):
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def check(found):
    """Against the schema of the custom resource."""
    schema = SCHEMAS[found["kind"]] | {"definitions": SCHEMAS["definitions"]}
    jsonschema.Draft202012Validator(schema).validate(found)


def check_kubernetes(kind, version, spec):
    """Against Kubernetes' schema of what an operator makes of it."""
    found = {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def job(found):
    """The Job that JobSet makes, or None."""
    jobset = found["spec"].get("template", found).get("spec", {})
    jobs = jobset.get("replicatedJobs")
    return jobs and jobs[0]["template"]["spec"]


def pod(found):
    """The pod of one worker."""
    template = job(found) or found["spec"]["tfReplicaSpecs"]["Worker"]
    return template["template"]["spec"]


@pytest.fixture(params=FILES)
def found(request):
    return load(FILES[request.param])


def test_objects_are_those_of_the_schemas(found):
    check(found)
    if job(found):
        check_kubernetes("Job", "batch/v1", job(found))
    check_kubernetes("Pod", "v1", pod(found))
    assert not breaches(pod(found))
    assert pod(found)["containers"][0]["image"] == f"dmgan:{dmgan_tf.__version__}"
    assert (
        pod(found)["volumes"][0]["persistentVolumeClaim"]["claimName"]
        == (load("volume")["metadata"]["name"])
    )


def test_volume_and_job_of_a_runtime_are_those_of_the_schemas():
    volume, trainjob = load("volume"), load("trainjob")
    check_kubernetes(volume["kind"], volume["apiVersion"], volume["spec"])
    check(trainjob)
    runtime = trainjob["spec"]["runtimeRef"]
    assert (runtime["kind"], runtime["name"]) == (
        load("runtime")["kind"],
        load("runtime")["metadata"]["name"],
    )


def test_misspelt_field_is_found(found):
    wrong = copy.deepcopy(found)
    wrong["spec"]["backOffLimit"] = 3
    with pytest.raises(jsonschema.ValidationError, match="backOffLimit"):
        check(wrong)


def expanded(variables, index):
    """Values of a container's variables in the pod of an index, as Kubernetes makes them."""
    values = {}
    for variable in variables:
        if "value" not in variable:
            text = FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]].format(index=index)
        else:
            text = re.sub(
                r"\$\((\w+)\)", lambda m: values.get(m[1], m[0]), variable["value"]
            )  # only those that stand before it
        values[variable["name"]] = text
    return values


def with_trainjob(runtime, trainjob):
    """The runtime as the trainer starts it for a TrainJob, whose variables replace its own."""
    found, asked = copy.deepcopy(runtime), trainjob["spec"]["trainer"]
    (container,) = pod(found)["containers"]
    own = {variable["name"]: variable for variable in asked["env"]}
    assert own.keys() <= {variable["name"] for variable in container["env"]}
    container["env"] = [own.get(variable["name"], variable) for variable in container["env"]]
    container["args"] = asked["args"]
    job(found).update(completions=asked["numNodes"], parallelism=asked["numNodes"])
    return found


@pytest.mark.parametrize("kind", ["JobSet", "TrainJob", "ClusterTrainingRuntime"])
def test_every_pod_finds_itself_in_tf_config(kind):
    found = load(FILES.get(kind, "runtime"))
    count = WORKERS
    if kind == "TrainJob":
        found = with_trainjob(found, load("trainjob"))
    if kind == "ClusterTrainingRuntime":
        count = found["spec"]["mlPolicy"]["numNodes"]
    else:
        assert job(found)["completions"] == job(found)["parallelism"] == count
    (container,) = pod(found)["containers"]
    jobs = "worker" if kind == "JobSet" else "node"
    names = [f"dmgan-cub-{jobs}-0-{i}.dmgan-cub:2222" for i in range(count)]
    for index in range(count):
        described = json.loads(expanded(container["env"], index)["TF_CONFIG"])
        assert described == {
            "cluster": {"worker": names},
            "task": {"type": "worker", "index": index},
        }


def test_typo_is_not_retried_and_a_lost_worker_is(found):
    if not job(found):
        assert found["spec"]["tfReplicaSpecs"]["Worker"]["restartPolicy"] == "ExitCode"
        assert LostWorker.exit_code >= 128  # what it begins again
        return
    (rule,) = job(found)["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob" and rule["onExitCodes"]["operator"] == "In"
    assert 2 in rule["onExitCodes"]["values"]
    assert not {LostWorker.exit_code, 137, 143} & set(rule["onExitCodes"]["values"])


@pytest.mark.parametrize("name", ["jobset", "tfjob", "trainjob"])
def test_arguments_are_those_of_train(name):
    found = load(name)
    where = found["spec"]["trainer"] if name == "trainjob" else pod(found)["containers"][0]
    assert where["args"][0] == "train" and "--resume" in where["args"]
    given = [argument.partition("=")[::2] for argument in where["args"][1:]]
    assert {option for option, _ in given} == {"--config", "--run-dir", "--resume", "--set"}
    settings = [value for option, value in given if option == "--set"]
    config = load_config(find_config(dict(given)["--config"]), settings)
    assert config.training.batch_size % WORKERS == 0
    for path in (config.data.directory, config.image_encoder.weights, dict(given)["--run-dir"]):
        assert path.startswith("/shared/")
