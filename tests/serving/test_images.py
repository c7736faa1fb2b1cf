"""The two Dockerfiles, as far as they can be held to what they say without building them."""

import json
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from command_lines import ROOT

from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.serving import options

FILES = ("Dockerfile", "serving/Dockerfile")


def instructions(name):
    """(instruction, arguments) of a Dockerfile, without comments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def last_stage(name):
    found = instructions(name)
    start = max(i for i, (instruction, _) in enumerate(found) if instruction == "FROM")
    return dict(found[start:])


def copied(name):
    """The sources of COPY that come from the checkout."""
    copies = [arguments.split() for kind, arguments in instructions(name) if kind == "COPY"]
    return [path for words in copies if "--from" not in words[0] for path in words[:-1]]


def command(name, kind):
    """The list of words that an instruction holds, whatever its options."""
    arguments = last_stage(name)[kind]
    return json.loads(arguments[arguments.index("[") :])


@pytest.mark.parametrize("name", FILES)
def test_sources_are_there_and_in_the_context(name):
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sources = copied(name)
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == set(sources)
    assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize("name", FILES)
def test_image_is_pinned_slim_and_runs_without_root(name):
    (python,) = {a for kind, a in instructions(name) if kind == "ARG" and a.startswith("PYTHON=")}
    assert re.fullmatch(r"PYTHON=3\.1[123]-slim-\w+", python)
    images = {arguments.split()[0] for kind, arguments in instructions(name) if kind == "FROM"}
    assert images == {"python:${PYTHON}"}
    user, _, group = last_stage(name)["USER"].partition(":")
    assert int(user) > 0 and int(group) > 0  # a name would not do for runAsNonRoot


@pytest.mark.parametrize("name", FILES)
def test_wanted_extra_is_one_of_the_package(name):
    (install,) = (a for kind, a in instructions(name) if kind == "RUN" and "pip install" in a)
    extra = re.search(r'"\.(?:\[(\w+)\]|\$\{EXTRAS:\+\[\$EXTRAS\]\})"', install)
    assert extra, install
    assert f'"{extra[1] or "gpu"}":' in (ROOT / "setup.py").read_text()
    assert "-c constraints.txt" in install


def test_commands_are_those_of_the_package(tmp_path):
    assert command("Dockerfile", "ENTRYPOINT") == ["dmgan"]
    program, name, *arguments = command("serving/Dockerfile", "ENTRYPOINT")
    assert program == "dmgan" and name in COMMANDS
    models = [
        a.replace("/models/dmgan", str(tmp_path)) for a in command("serving/Dockerfile", "CMD")
    ]
    assert options.parser("").parse_args([*arguments, *models]).host == "0.0.0.0"


def test_health_check_tells_a_server_that_is_ready_from_none(server):
    program, *arguments = command("serving/Dockerfile", "HEALTHCHECK")
    assert program == "python"

    def code(root):
        asked = [argument.replace("http://127.0.0.1:8501", root) for argument in arguments]
        assert asked != arguments
        process = subprocess.run([sys.executable, *asked], capture_output=True, timeout=30)
        return process.returncode

    assert code(server.root) == 0
    assert code("http://127.0.0.1:9") != 0  # nobody listens
    assert code(f"{server.root}/nothing") != 0


@pytest.mark.slow
@pytest.mark.usefixtures("index")  # for the build's own packages
def test_package_is_whole_that_is_made_of_what_is_copied(tmp_path):
    (source := tmp_path / "source").mkdir()
    for name in copied("serving/Dockerfile"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path]
    subprocess.run([*build, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    tracked = subprocess.run(
        ["git", "ls-files", "dmgan_tf"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert set(tracked) - packed == set()
    if "dmgan_tf/studio/exported/toy_birds_128/manifest.json" in packed:  # with the studio's page
        assert wheel.stat().st_size < 24 * 2**20
