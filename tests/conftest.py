"""Two logical CPUs for every test process, and the one strategy that it may have."""

import os
import shutil

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command lines, on any CPU

import keras
import pytest
import tensorflow as tf
from browser import chromium, open_page, playwright  # noqa: F401 - fixtures
from command_lines import CARD_TEXTS, TINY, call, succeed
from filelock import FileLock

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def strategy():
    """Two replicas on the CPU. A second strategy would break the collectives of the process."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def seeded():
    """The same initial weights however many tests ran before."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory, request):
    """A function (name, fill) → folder, one for all test processes, which none may change.

    The first process that asks for the name fills it.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if hasattr(request.config, "workerinput") else root

    def made(name, fill):
        folder, full = root / name, root / f"{name}.full"
        with FileLock(root / f"{name}.lock"):
            if not full.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
                fill(folder)
                full.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def tiny_run(make_once):
    """The folder of the smallest run, trained once through the real command line."""
    return make_once("run", lambda folder: succeed("train", *TINY, "--run-dir", folder))


@pytest.fixture(scope="session")
def tiny_judge(make_once):
    """Encoders of another seed than those of `tiny_run`."""
    other = *TINY, "--set", "training.seed=1"
    return make_once("judge", lambda folder: succeed("pretrain_damsm", *other, "--run-dir", folder))


@pytest.fixture(scope="session")
def box(tiny_run, tiny_judge, strategy, tmp_path_factory):
    """A folder of presets: `tiny` with its scores, and `tiny_judge`, which judged it."""
    from dmgan_tf import build
    from dmgan_tf.inference import presets

    folder = tmp_path_factory.mktemp("presets")
    report = folder / "reports" / "tiny.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "ROOT", folder / "box")
        patch.setattr(build, "local_strategy", lambda: strategy)
        patch.setenv("DMGAN_TF_CACHE", str(folder / "cache"))
        options = "--images", 110, "--seed", 3, "--metrics", "fid,kid,r_precision", "--blurred"
        model = "--model", tiny_run, "--judge", tiny_judge
        call("evaluate", *model, *options, "--subset-size", 30, "--out", report)
        judge = "--model", tiny_judge, "--name", "tiny_judge"
        call("export.preset", *judge, *CARD_TEXTS)
        tiny = "--model", tiny_run, "--name", "tiny", "--judge", "tiny_judge"
        call("export.preset", *tiny, "--evaluation", report, *CARD_TEXTS)
    return folder / "box"


@pytest.fixture(scope="session")
def exported(make_once, tiny_run):
    """The folder of a served model: version 7 of `tiny_run`, exported by the command line."""

    def fill(folder):
        out = folder / "dmgan"
        printed = succeed("export.saved_model", "--model", tiny_run, "--out", out, "--version", 7)
        assert printed.strip() == f"SavedModel: {out / '7'}"

    return make_once("saved_model", fill) / "dmgan"


@pytest.fixture(scope="session")
def litert_folder(make_once, tiny_run):
    """`tiny_run` as LiteRT in all precisions, exported by the command line."""

    def fill(out):
        options = "--model", tiny_run, "--out", out, "--precision", "float32,float16,int8"
        assert succeed("export.to_litert", *options).endswith(f"LiteRT: {out}\n")

    return make_once("litert", fill)


@pytest.fixture(scope="session")
def onnx_folder(make_once, tiny_run):
    """`tiny_run` as ONNX in all precisions, with its stages, exported by the command line."""

    def fill(out):
        options = "--model", tiny_run, "--out", out, "--precision", "float32,float16,int8"
        assert succeed("export.to_onnx", *options, "--stages").endswith(f"ONNX: {out}\n")

    return make_once("onnx", fill)
