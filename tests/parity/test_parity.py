"""This project against the authors' values, and a check that fails when it must."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from parity import check

from dmgan_tf.errors import UserError

HERE = Path(__file__).parent
DATA = HERE / "data"
NAMES = ("small", "coco")
QUICK = {method: groups for method, groups in check.PLAN.items() if method != "steps"}


def run(*arguments):
    command = [sys.executable, HERE / "check.py", *arguments]
    # Without what `conftest.py` sets: the check leaves the choice of kernels to TensorFlow.
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("name", ["small", pytest.param("coco", marks=pytest.mark.slow)])
def test_networks_and_losses_equal_the_authors(name):
    lines = list(check.check(DATA / name, QUICK))
    assert len(lines) == 8
    assert all(line.good for line in lines), "\n".join(line.text for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_everything_equals_the_authors_three_training_steps_on(name):
    result = run(DATA / name)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 22
    assert all(line.startswith("ok ") for line in lines)


# --- a check that fails when it must ------------------------------------------------------------


@pytest.fixture
def copied(tmp_path):
    """Function: `small` with the text encoder's keys alone, changed as it says → path."""

    def copy(**changes):
        with np.load(DATA / "small.npz") as file:
            arrays = {key: file[key] for key in file.files if key.startswith(("in/", "text/"))}
        for key, change in changes.items():
            arrays[key] = change(arrays.get(key))
        shutil.copy(DATA / "small.json", tmp_path / "copy.json")
        np.savez(tmp_path / "copy.npz", **arrays)
        return tmp_path / "copy"

    return copy


@pytest.fixture
def call(monkeypatch, capsys):
    """Function: what the check's `main` returns, in this process, and the lines that it prints."""

    def call_main(*arguments):
        monkeypatch.setattr(sys, "argv", ["check.py", *map(str, arguments)])
        return check.main(), capsys.readouterr().out.splitlines()

    return call_main


def moved(by):
    """One entry of an array moved."""

    def change(array):
        array.flat[7] += by
        return array

    return change


def test_untouched_copy_passes_and_what_it_wrote_is_what_was_computed(copied, call, tmp_path):
    code, printed = call(copied(), "--write", tmp_path / "ours")
    assert (code, len(printed)) == (0, 1), printed
    with np.load(tmp_path / "copy.npz") as theirs, np.load(tmp_path / "ours.npz") as ours:
        assert theirs.files == ours.files
        np.testing.assert_array_equal(theirs["in/z"], ours["in/z"])
        assert 0 < np.abs(theirs["text/words"] - ours["text/words"]).max() < 1e-6
    (line,) = check.check(tmp_path / "ours", {"text": check.PLAN["text"]})
    assert line.good and "abs 0.0e+00" in line.text


def test_perturbed_tensor_fails_by_the_name_of_its_group(copied):
    result = run(copied(**{"text/var_words": moved(2e-5)}))
    assert result.returncode == 1
    (line,) = result.stdout.splitlines()
    assert line.startswith("FAILED text encoder ")
    assert line.endswith("all within 1e-05; worst: text/var_words")


def test_key_that_nothing_is_compared_with_fails_by_its_name(copied, call):
    unknown = dict.fromkeys(("text/other", "speech/words"), lambda _: np.zeros(3))
    code, (good, bad) = call(copied(**unknown))
    assert code == 1
    assert good.startswith("ok     text encoder ")
    assert bad == "FAILED 2 keys were not compared: speech/words, text/other"


def test_pair_without_results_fails(copied):
    bare = copied()
    with np.load(f"{bare}.npz") as file:
        np.savez(f"{bare}.npz", **{key: file[key] for key in file.files if key.startswith("in/")})
    (line,) = check.check(bare)
    assert not line.good
    assert "nothing was compared" in line.text


@pytest.mark.parametrize(
    "change",
    [lambda a: a[:, :-1], lambda a: np.full_like(a, np.nan)],
    ids=["another shape", "not a number"],
)
def test_array_that_cannot_be_compared_fails(copied, change):
    plan = {"text": check.PLAN["text"]}
    (line,) = check.check(copied(**{"text/sentence": change}), plan)
    assert not line.good
    assert "worst: text/sentence" in line.text


@pytest.mark.parametrize(
    ("errors", "good"),
    [([0.0] * 98 + [3e-5] * 2, True), ([0.0] * 97 + [3e-5] * 3, False), ([0.0] * 99 + [1], False)],
    ids=["few beyond the first limit", "too many", "one beyond the last limit"],
)
def test_share_of_values_may_be_off_by_more(errors, good):
    tolerance = check.absolute((0.98, 2e-5), 4e-4)
    assert tolerance.judge(np.array(errors))[0] is good


def test_missing_pair_is_one_line(call):
    with pytest.raises(UserError, match=r"absent: holds no pair of reference files.*\.$"):
        call(DATA / "absent")
