"""The wheel, made from the source distribution, in an environment without the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from browser import lack
from command_lines import ROOT
from PIL import Image

from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.export.__main__ import FORMATS

pytestmark = pytest.mark.slow
CAPTION = "a red bird with black wings"
RUNTIME = ROOT / "dmgan_tf" / "studio" / "runtime"


@pytest.fixture(scope="module")
def distributions(box, tmp_path_factory):
    """(source distribution, wheel made from it), with the presets of `box` instead of the large."""
    folder = tmp_path_factory.mktemp("distributions")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    source = folder / "source"
    for name in tracked:
        if not name.startswith("dmgan_tf/presets/") and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    shutil.copytree(box, source / "dmgan_tf" / "presets")
    if RUNTIME.is_dir():
        shutil.copytree(RUNTIME, source / "dmgan_tf" / "studio" / "runtime")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (archive,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


@pytest.fixture(scope="module")
def environment(distributions, tmp_path_factory):
    """The `bin` of an environment of the wheel and, by path, of the packages it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    options = ["--no-deps", "--no-index", "--quiet", "--ignore-installed"]
    subprocess.run([*pip, "install", *options, str(distributions[1])], check=True)
    return folder / "bin"


@pytest.fixture
def dmgan(environment, tmp_path):
    """What `dmgan WORDS` prints, started in an empty folder."""

    def run(*words):
        process = subprocess.run(
            [str(environment / "dmgan"), *map(str, words)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    return run


def test_the_source_distribution_holds_all_that_is_tracked(distributions):
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"constraints.txt", "Makefile", "docs/edge.md", "configs/cub.yaml"} <= names
    assert {"serving/README.md", "export/to_onnx.py", "tests/test_wheel.py"} <= names


def test_a_package_index_is_shown_no_broken_links(distributions):
    wheel = zipfile.ZipFile(distributions[1])
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(name).decode()
    assert "dmgan generate --model toy_birds" in text
    assert not re.findall(r"\]\((?!https?:|#)[^)]*\)", text)


def test_every_command_answers_for_itself(environment, dmgan):
    code = "import dmgan_tf; print(dmgan_tf.__file__)"
    command, pipes = [str(environment / "python"), "-c", code], {"capture_output": True}
    found = subprocess.run(command, cwd=environment, check=True, text=True, **pipes)
    assert Path(found.stdout).is_relative_to(environment.parent)
    for words in [[name] for name in COMMANDS] + [["export", name] for name in FORMATS]:
        assert dmgan(*words, "--help").startswith(f"usage: dmgan {' '.join(words)} ")


def test_named_configs_and_presets_are_found(dmgan, tmp_path):
    settings = "--set", "damsm.directory=null"  # the box has no `toy_birds`
    assert "285,298" in dmgan("train", "--config", "toy_birds.yaml", *settings, "--dry-run")
    assert "tiny: Noise of 16 pixels" in dmgan("presets").splitlines()
    assert not any(tmp_path.iterdir())


def test_the_studio_travels_in_the_wheel(distributions, dmgan, tmp_path):
    if not RUNTIME.is_dir():
        lack("ONNX Runtime Web isn't there: make studio.")
    assert distributions[1].stat().st_size < 15 * 2**20  # with hardly any presets
    dmgan("studio", "--model", "tiny", "--out", "page")
    page = tmp_path / "page"
    files = json.loads((page / "studio.json").read_text(encoding="utf-8"))["files"]
    assert {"index.html", "model/stages_float32.onnx", "runtime/ort.wasm.min.mjs"} <= files.keys()
    assert all((page / name).stat().st_size == about["bytes"] for name, about in files.items())


def test_the_tutorial_runs_top_to_bottom(distributions, environment, tmp_path, monkeypatch):
    """As its notebook, which has the same commands; with fewer pictures and steps."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    if not RUNTIME.is_dir():
        lack("ONNX Runtime Web isn't there: make studio.")
    monkeypatch.setenv(
        "PATH",
        os.pathsep.join([str(environment), str(Path(sys.executable).parent), os.environ["PATH"]]),
    )
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # what the wheel needs is there
    monkeypatch.setenv("PIP_PYTHON", str(environment / "python"))  # it has no pip of its own
    shutil.copy(distributions[1], tmp_path)
    book = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    for pattern, less in (
        (r"range\(600\)", "range(60)"),
        (r"steps=\d+", "steps=2"),
        ("--serve", "--serve --port 0"),
    ):
        assert any(re.search(pattern, cell.source) for cell in book.cells)
        for cell in book.cells:
            cell.source = re.sub(pattern, less, cell.source)
    visit = "from urllib.request import urlopen\nprint(urlopen(address).read().decode())"
    book.cells += map(nbformat.v4.new_code_cell, (visit, "server.terminate()\nserver.wait(60)"))
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=600, resources=place).execute()
    install, *_, page, _ = (cell for cell in book.cells if cell.cell_type == "code")
    assert not install.outputs, install.outputs
    assert "<title>" in page.outputs[0].text
    for name in ("shapes.png", "shapes_attention_1.png", "shapes_attention_2.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 128


def test_a_model_is_drawn_with_exported_served_and_asked(environment, dmgan, tmp_path):
    dmgan("generate", "--model", "tiny", "--caption", CAPTION, "--seed", 3)
    dmgan("export", "onnx", "--model", "tiny", "--out", "onnx")
    dmgan("edge", "--model", "onnx", "--caption", CAPTION, "--seed", 3, "--out", "edge.png")
    dmgan("export", "saved-model", "--model", "tiny", "--out", "served")
    options = "--model", "dmgan=served", "--port", "0", "--rest-port", "0"
    server = subprocess.Popen(
        [str(environment / "dmgan"), "serve", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.match(r"gRPC: (\S+)", server.stdout.readline())[1]
        ask = "ask", "--address", address, "--seed", 3, "--out", "asked.png"
        dmgan(*ask, "--caption", CAPTION)
    finally:
        server.terminate()
        server.wait(60)
    with Image.open(tmp_path / "picture.png") as expected:
        for name in ("edge.png", "asked.png"):
            with Image.open(tmp_path / name) as drawn:
                difference = max(
                    abs(a - b) for a, b in zip(drawn.tobytes(), expected.tobytes(), strict=True)
                )
            assert difference <= 1, name
