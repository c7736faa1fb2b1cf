"""The metrics on the same features as pytorch-fid's and torch-fidelity's; run where they are.

Both want PyTorch, which nothing else here needs: `pip install pytorch-fid torch-fidelity`.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from dmgan_tf.metrics.frechet_distance import frechet_distance
from dmgan_tf.metrics.inception_score import inception_score
from dmgan_tf.metrics.kernel_distance import kernel_distance
from dmgan_tf.metrics.running_statistics import RunningStatistics

# Not `importorskip`: PyTorch imported beside TensorFlow may end the whole process.
MISSING = [name for name in ("torch", "pytorch_fid", "torch_fidelity") if not find_spec(name)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

SCRIPT = Path(__file__).with_name("public_implementations.py")
RELATIVE = 1e-6
ROWS = 600


def features(columns, seed):
    """As a network gives them: positive, correlated, of another spread in every direction."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(ROWS, columns)) @ rng.normal(size=(columns, columns))
    return np.maximum(mixed + rng.normal(size=columns), 0).astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module", params=[16, 256])
def case(request, tmp_path_factory):
    """(features [600, C] of two sets, logits [1003, 100], what the others make of them)."""
    path = tmp_path_factory.mktemp("public") / "features.npz"
    first, second = features(request.param, 0), features(request.param, 1)
    logits = 3 * np.random.default_rng(0).normal(size=(1003, 100))
    np.savez(path, first=first, second=second, logits=logits)
    command = [sys.executable, SCRIPT, path]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    return first, second, logits, json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("theirs", ["pytorch-fid", "frechet_inception_distance"])
def test_frechet_distance_is_theirs(case, theirs):
    running = RunningStatistics(), RunningStatistics()
    for start in range(0, ROWS, 50):
        for one, rows in zip(running, case[:2], strict=True):
            one.add(rows[start : start + 50])
    actual = frechet_distance(*(one.result() for one in running))
    assert actual == pytest.approx(case[3][theirs], rel=RELATIVE)


def test_inception_score_and_its_spread_are_those_of_torch_fidelity(case):
    expected = [case[3][f"inception_score_{name}"] for name in ("mean", "std")]
    np.testing.assert_allclose(inception_score(case[2]), expected, rtol=RELATIVE)


def test_kernel_distance_of_whole_sets_is_that_of_torch_fidelity(case):
    actual, _ = kernel_distance(*case[:2], subsets=2, subset_size=ROWS)
    assert actual == pytest.approx(case[3]["kernel_inception_distance_mean"], rel=RELATIVE)
