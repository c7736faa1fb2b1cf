"""docs/python.md as a reader would run it: every block, in order, in one session."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from command_lines import ROOT

TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def short(code):
    """The same code for one epoch of two steps, and two batches of a prior."""
    code = re.sub(r"steps_per_epoch=\d+", "steps_per_epoch=2", code)
    code = re.sub(r"take\(\d+\)", "take(2)", code)
    return re.sub(r"(?<!per_)epochs=\d+", "epochs=1", code)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """What the names of the document stand for after its last line."""
    rng = np.random.default_rng(0)
    names = {
        "images": rng.integers(0, 256, (40, 64, 64, 3), np.uint8),
        "captions": tuple((f"a bird of color {i % 7}", "a bird") for i in range(40)),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("session"))
        for number, block in enumerate(BLOCKS):
            exec(compile(short(block), f"docs/python.md, block {number + 1}", "exec"), names)
        names["log"] = Path("log.csv").read_text()
    return names


def test_networks_were_trained_and_draw(session):
    assert session["log"].startswith("epoch,") and len(session["log"].splitlines()) == 2
    assert session["artist"].generate("a bird").shape == (1, 64, 64, 3)
    assert not np.allclose(session["average"].weights[0], session["generator"].weights[0], 1e-6, 0)
    assert session["trainer"].built and session["trainer"].compiled


def test_priors_were_learned(session):
    one, other = (generator.prior.directions.numpy() for generator in session["with_prior"])
    assert np.abs(one).max() > 0.1
    np.testing.assert_array_equal(one, other)


def test_what_was_saved_is_what_was_loaded(session):
    for ours, theirs in zip(session["same"].weights, session["average"].weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_dynamic_memory_stands_in_a_functional_model(session):
    assert isinstance(session["model"], keras.Model)
    assert session["model"].output_shape == (None, 16, 16, 32)
