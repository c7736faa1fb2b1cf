"""The project's command lines: as processes of their own, and in the tests' process.

A process takes seconds to import TensorFlow: of each command line a few are processes, which show
what a user sees, and the rest are calls of the same `main`.
"""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from dmgan_tf.errors import UserError

ROOT = Path(__file__).parents[1]
# Two pictures of a species: evaluation wants a hundred unseen ones.
TINY = ("--config", ROOT / "tests" / "configs" / "tiny.yaml", "--set", "data.images_per_class=2")
# What `export.preset` wants to be told besides.
CARD_TEXTS = (
    *("--title", "Noise of 16 pixels", "--data", "toy_birds, two pictures a species"),
    *("--cost", "10 seconds", "--machine", "2 cores", "--licence", "MIT"),
    *("--limitations", "Four steps: it has learnt nothing."),
)


def environment():
    """What the processes of the tests find in their environment."""
    # How much TensorFlow says is the command line's to decide, not the test session's.
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return {"CUDA_VISIBLE_DEVICES": "-1"} | kept | {"PYTHONPATH": str(ROOT)}


def run(module, *arguments, cwd=ROOT, options=(), timeout=300):
    """The finished process of `python OPTIONS -m dmgan_tf.MODULE ARGUMENTS`."""
    return subprocess.run(
        [sys.executable, *options, "-m", f"dmgan_tf.{module}", *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def succeed(module, *arguments, cwd=ROOT, timeout=300):
    """What a command line prints that must end well."""
    process = run(module, *arguments, cwd=cwd, timeout=timeout)
    assert process.returncode == 0, process.stderr
    return process.stdout


def fail(module, *arguments, cwd=ROOT):
    """The one line that a command line must end with, at exit code 2."""
    process = run(module, *arguments, cwd=cwd)
    assert process.returncode == 2, process.stderr
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("error: "), process.stderr
    return lines[0]


def call(module, *arguments):
    """What a command line prints that must end well, in this process."""
    main = importlib.import_module(f"dmgan_tf.{module}").main
    with (
        mock.patch.object(sys, "argv", ["", *map(str, arguments)]),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        assert main() == 0
    return printed.getvalue()


def refuse(module, *arguments):
    """The one line of a user's mistake that a command line must end with, in this process."""
    with pytest.raises(UserError) as caught:
        call(module, *arguments)
    (line,) = str(caught.value).splitlines()
    return line
