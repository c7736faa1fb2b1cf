"""Kubernetes' objects: against its schemas, Pod Security "restricted", and each other."""

import contextlib
import copy
import socket
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
from manifests import breaches, pod, rendered
from requests_and_answers import ask
from running_server import SERVING, serve

import dmgan_tf
from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.export.__main__ import FORMATS
from dmgan_tf.inference import presets
from dmgan_tf.serving import options

FOLDER = SERVING / "kubernetes"
SERVERS = ("dmgan_serve", "tf_serving")
# KServe's own fields; all others of a predictor and of a runtime are a pod's.
PREDICTOR = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "model"}
MODEL = {"modelFormat", "protocolVersion", "runtime", "storageUri"}
RUNTIME = {"annotations", "supportedModelFormats", "protocolVersions"}


def by_kind(folder):
    return {o["kind"]: o for o in rendered(FOLDER / folder)}


@pytest.fixture(scope="module", params=SERVERS)
def objects(request):
    """The objects of a server, by kind."""
    return by_kind(request.param)


@pytest.fixture(scope="module")
def models():
    return by_kind("models")


@pytest.fixture(scope="module")
def kserve_pod():
    """The pod that KServe makes of predictor and runtime, as far as it is written here."""
    found = by_kind("kserve")
    predictor = found["InferenceService"]["spec"]["predictor"]
    runtime = found["ServingRuntime"]["spec"]
    assert set(predictor["model"]) == MODEL
    assert set(predictor) >= PREDICTOR
    assert set(runtime) >= RUNTIME
    spec = {k: v for k, v in runtime.items() if k not in RUNTIME}
    return spec | {k: v for k, v in predictor.items() if k not in PREDICTOR}


def check(found):
    for version in ("1.30", kubernetes_validate.latest_version()):  # from 1.30 on preStop can sleep
        kubernetes_validate.validate(found, version, strict=True)


def as_pod(spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}


def container(objects):
    (found,) = pod(objects["Deployment"])["containers"]
    return found


def options_of(args):
    return dict(arg.removeprefix("--").partition("=")[::2] for arg in args)


# --- schemas and Pod Security ---------------------------------------------------------------------


@pytest.mark.parametrize("folder", [*SERVERS, "models"])
def test_objects_are_those_of_kubernetes_schemas(folder):
    found = rendered(FOLDER / folder)
    for each in found:
        check(each)
    (spec,) = filter(None, map(pod, found))
    assert not breaches(spec)


def test_pod_of_kserve_is_that_of_kubernetes_schemas(kserve_pod):
    check(as_pod(kserve_pod))
    assert not breaches(kserve_pod)


def test_misspelt_field_is_found(objects):
    wrong = copy.deepcopy(objects["Deployment"])
    pod(wrong)["containers"][0]["readinessProbe"]["retriesOnFailure"] = 3
    with pytest.raises(kubernetes_validate.ValidationError, match="retriesOnFailure"):
        check(wrong)


@pytest.mark.parametrize(
    ("spoil", "breach"),
    [
        (lambda s, c: s.update(hostNetwork=True), "hostNetwork is on"),
        (lambda s, c: s["volumes"].append({"name": "a", "hostPath": {"path": "/"}}), "a hostPath"),
        (lambda s, c: s["securityContext"].pop("runAsNonRoot"), "may run as root"),
        (lambda s, c: s["securityContext"].pop("seccompProfile"), "no seccomp profile"),
        (lambda s, c: s["securityContext"].update(sysctls=[{"name": "a"}]), "sysctls"),
        (lambda s, c: c["securityContext"].update(privileged=True), "is privileged"),
        (lambda s, c: c["securityContext"].pop("allowPrivilegeEscalation"), "gain privileges"),
        (lambda s, c: c["securityContext"].pop("capabilities"), "keeps capabilities"),
        (lambda s, c: c["securityContext"].update(runAsUser=0), "runs as root"),
        (
            lambda s, c: c["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
            "adds capabilities",
        ),
        (lambda s, c: c["ports"][0].update(hostPort=8500), "a port of the host"),
        (lambda s, c: s.update(initContainers=[{"name": "a"}]), "a may gain privileges"),
    ],
)
def test_pod_that_is_not_restricted_is_found(objects, spoil, breach):
    spec = copy.deepcopy(pod(objects["Deployment"]))
    spoil(spec, spec["containers"][0])
    assert any(breach in found for found in breaches(spec))


# --- what they say to each other ------------------------------------------------------------------


def test_objects_of_a_server_name_each_other(objects, models):
    deployment, template = objects["Deployment"], objects["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(
            spread["labelSelector"]["matchLabels"]
            for spread in template["spec"]["topologySpreadConstraints"]
        ),
    ):
        assert selector == labels
    autoscaler = objects["HorizontalPodAutoscaler"]["spec"]
    assert autoscaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert autoscaler["minReplicas"] > objects["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    assert "replicas" not in deployment["spec"]  # would undo what the autoscaler does
    ports = {port["name"] for port in container(objects)["ports"]}
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} == ports
    allowed = objects["NetworkPolicy"]["spec"]["ingress"]
    assert {port["port"] for rule in allowed for port in rule["ports"]} == ports
    claims = [
        {v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"] if v["name"] == "models"}
        for spec in (template["spec"], pod(models["Job"]))
    ]
    assert claims == [{models["PersistentVolumeClaim"]["metadata"]["name"]}] * 2


@pytest.mark.parametrize("folder", [*SERVERS, "kserve"])
def test_deleting_a_server_leaves_the_models(folder):
    kinds = {found["kind"] for found in rendered(FOLDER / folder)}
    assert kinds and not kinds & {"PersistentVolumeClaim", "PersistentVolume", "Namespace"}


def test_no_pod_has_a_service_account_token_and_every_root_is_read_only(
    objects, models, kserve_pod
):
    for spec in (pod(objects["Deployment"]), pod(models["Job"]), kserve_pod):
        assert spec["automountServiceAccountToken"] is False
        for found in spec["containers"]:
            assert found["securityContext"]["readOnlyRootFilesystem"] is True
            assert "/tmp" in {mount["mountPath"] for mount in found["volumeMounts"]}


def test_images_are_pinned(objects, models, kserve_pod):
    own = f"dmgan-serve:{dmgan_tf.__version__}"
    assert container(objects)["image"] in (own, "tensorflow/serving:2.20.0")
    for spec in (pod(models["Job"]), kserve_pod):
        assert [found["image"] for found in spec["containers"]] == [own]


def test_only_the_file_that_is_read_again_has_a_name_without_a_hash():
    maps = [o for o in rendered(FOLDER / "tf_serving") if o["kind"] == "ConfigMap"]
    named = {found["metadata"]["name"]: set(found["data"]) for found in maps}
    assert named.pop("dmgan-models-config") == {"models.config"}
    ((name, files),) = named.items()
    assert files == {"batching_parameters.txt", "monitoring.config"}
    assert name.removeprefix("dmgan-server-config-").isalnum()


def test_tf_serving_answers_all_it_accepts_before_it_is_killed():
    objects = by_kind("tf_serving")
    arguments = options_of(container(objects)["args"])["grpc_channel_arguments"].split(",")
    milliseconds = {name: int(value) for name, _, value in (a.partition("=") for a in arguments)}
    assert set(milliseconds) == {
        "grpc.max_connection_age_ms",
        "grpc.max_connection_age_grace_ms",
    }
    sleep = container(objects)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep > sum(milliseconds.values()) / 1000
    assert sleep < pod(objects["Deployment"])["terminationGracePeriodSeconds"]


def test_grace_period_fits_the_servers_own_drain(kserve_pod):
    objects = by_kind("dmgan_serve")
    for spec in (pod(objects["Deployment"]), kserve_pod):
        (found,) = spec["containers"]
        drain = int(options_of(found["args"])["drain-seconds"])
        sleep = found["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] > sleep + 3 * drain


def test_servers_arguments_are_options_of_its_command_line(kserve_pod, tmp_path):
    objects = by_kind("dmgan_serve")
    for found in (container(objects), kserve_pod["containers"][0]):
        models_, *others = found["args"]
        assert models_.startswith("--model=")
        options.parser("").parse_args([f"--model=dmgan={tmp_path}", *others])


def probe_address(found, probe, server):
    """Where a probe goes to, on a server of the test: its (host, port)."""
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}
    (handler,) = (found[probe][kind] for kind in ("httpGet", "tcpSocket") if kind in found[probe])
    number = ports.get(handler["port"], handler["port"])
    place = {8500: server.address, 8501: urlsplit(server.root).netloc}[number]
    host, _, port = place.rpartition(":")
    return host, int(port)


def test_readiness_asks_what_a_running_server_answers(objects, kserve_pod, server):
    for found in (container(objects), *kserve_pod["containers"]):
        for probe in ("startupProbe", "readinessProbe"):
            host, port = probe_address(found, probe, server)
            path = found[probe]["httpGet"]["path"]
            assert ask(f"http://{host}:{port}{path}")[0] == 200
            if "dmgan" in path:
                assert ask(server.root + path.replace("dmgan", "x"))[0] == 404


def test_server_whose_rest_is_full_is_live(kserve_pod, plain, tmp_path):
    with contextlib.ExitStack() as stack:
        options = "--max-connections", 4
        running = stack.enter_context(serve(plain, tmp_path / "log.txt", *options))
        found = container(by_kind("dmgan_serve")), kserve_pod["containers"][0]
        for _ in range(4):
            address = probe_address(found[0], "readinessProbe", running)
            stack.enter_context(socket.create_connection(address, timeout=10))
        assert ask(f"{running.root}/v2/health/live")[0] == 503
        for each in found:
            assert "httpGet" not in each["livenessProbe"]
            socket.create_connection(probe_address(each, "livenessProbe", running), 10).close()
        running.stop()
        for each in found:
            with pytest.raises(OSError):
                socket.create_connection(probe_address(each, "livenessProbe", running), 10)


def test_job_exports_a_preset_by_a_command_that_is_there(models):
    (found,) = pod(models["Job"])["containers"]
    program, name, form = found["command"]
    assert program == "dmgan" and name in COMMANDS and form in FORMATS
    given = options_of(found["args"])
    assert given["model"] in presets.names()
    assert set(given) == {"model", "out", "version"}
    assert models["Job"]["spec"]["ttlSecondsAfterFinished"] > 0  # its template can't be changed


def test_kserve_serves_the_protocol_and_the_volume_that_are_there(models):
    kserve = by_kind("kserve")
    runtime = kserve["ServingRuntime"]
    model = kserve["InferenceService"]["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    assert model["modelFormat"].items() <= runtime["spec"]["supportedModelFormats"][0].items()
    claim = models["PersistentVolumeClaim"]["metadata"]["name"]
    out = options_of(pod(models["Job"])["containers"][0]["args"])["out"]
    assert model["storageUri"] == f"pvc://{claim}/{out.removeprefix('/models/')}"
