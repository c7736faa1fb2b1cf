"""The wheel carries configs and presets: the command lines work from any folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(box, tmp_path_factory):
    """A folder with what is in the wheel, the presets of `box` among it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("dmgan_tf", "configs"):
        shutil.copytree(ROOT / name, source / name)
    shutil.copytree(box, source / "dmgan_tf" / "presets", dirs_exist_ok=True)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*build, str(folder), str(source)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run_installed(site, folder, module, *arguments):
    """What a command line of the wheel prints, started in another folder."""
    process = subprocess.run(
        [sys.executable, "-m", f"dmgan_tf.{module}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_named_config_is_found_in_an_installed_wheel(site, tmp_path):
    printed = run_installed(site, tmp_path, "train", "--config", "toy_birds.yaml", "--dry-run")
    assert "285,298" in printed
    assert not any(tmp_path.iterdir())


def test_presets_are_found_in_an_installed_wheel(site, tmp_path):
    assert "tiny: Noise of 16 pixels" in run_installed(site, tmp_path, "presets").splitlines()
    run_installed(site, tmp_path, "generate", "--model", "tiny", "--caption", "a red bird")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
