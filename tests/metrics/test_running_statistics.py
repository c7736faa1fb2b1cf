"""Streamed statistics: those of all rows at once, whatever their batches and order."""

import zipfile

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.metrics.frechet_distance import frechet_distance, statistics
from dmgan_tf.metrics.running_statistics import RunningStatistics, load_statistics


def features(rows=120, columns=6, seed=0):
    """Correlated features, each with a mean that its spread is small beside."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + 30.0


def streamed(rows, batch_size):
    running = RunningStatistics()
    for start in range(0, len(rows), batch_size):
        running.add(rows[start : start + batch_size])
    return running


def oracle(rows):
    """Mean and covariance, one row after the other."""
    mean = sum(rows) / len(rows)
    return mean, sum(np.outer(row - mean, row - mean) for row in rows) / (len(rows) - 1)


def rows_of(statistics):
    return statistics.count if isinstance(statistics, RunningStatistics) else statistics.rows


def assert_same(actual, expected, rtol=1e-12):
    assert rows_of(actual) == rows_of(expected)
    np.testing.assert_allclose(actual.mean, expected.mean, rtol=rtol)
    size = np.abs(expected.covariance).max()
    np.testing.assert_allclose(actual.covariance, expected.covariance, rtol=0, atol=rtol * size)


@pytest.mark.parametrize("batch_size", [1, 7, 120, 1000])
def test_statistics_are_those_of_a_plain_loop(batch_size):
    x = features()
    running = streamed(x, batch_size)
    mean, covariance = oracle(x)
    np.testing.assert_allclose(running.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(running.covariance, covariance, rtol=1e-10)
    assert running.count == 120


@pytest.mark.parametrize("batch_size", [1, 2, 31, 64])
def test_batch_size_does_not_matter(batch_size):
    assert_same(streamed(features(), batch_size), streamed(features(), 120))


def test_order_does_not_matter():
    x = features()
    shuffled = np.random.default_rng(1).permutation(x)
    assert_same(streamed(shuffled, 7), streamed(x, 7))


def test_empty_batches_count_for_nothing():
    running = streamed(features(), 40)
    running.add(np.zeros((0, 6)))
    assert_same(running, streamed(features(), 40), rtol=0)


def test_large_mean_costs_no_digits():
    x = np.round(features() * 64) / 64  # exact in float32 and when shifted
    np.testing.assert_allclose(
        streamed(x + 2.0**20, 16).covariance, streamed(x, 16).covariance, rtol=1e-8, atol=1e-8
    )
    np.testing.assert_allclose(
        streamed(x.astype(np.float32), 16).covariance, streamed(x, 16).covariance, rtol=1e-12
    )


def test_what_is_read_from_it_can_be_changed_without_changing_it():
    running = streamed(features(), 40)
    running.mean[:] = 0
    running.covariance[:] = 0
    assert_same(running, streamed(features(), 40), rtol=0)


def test_frechet_distance_takes_its_result():
    x, y = features(), features(seed=1)
    expected = frechet_distance(statistics(x), statistics(y))
    actual = frechet_distance(streamed(x, 7).result(), streamed(y, 11).result())
    assert actual == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_that_is_not_finite_is_named_and_nothing_of_its_batch_added(bad):
    x = features()
    running = streamed(x[:40], 20)
    x[47, 3] = bad
    with pytest.raises(ValueError, match="must be finite; row 47, counted from 0, is not"):
        running.add(x[40:60])
    assert_same(running, streamed(x[:40], 40))


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_are_refused(rows, tmp_path):
    running = streamed(features()[:rows], 1)
    asks = (lambda: running.mean, lambda: running.covariance, running.result)
    for ask in (*asks, lambda: running.save(tmp_path / "a.npz")):
        with pytest.raises(ValueError, match=f"need two rows or more. Received: {rows}"):
            ask()
    assert not list(tmp_path.iterdir())


def test_features_of_another_size_are_refused():
    running = streamed(features(), 40)
    with pytest.raises(ValueError, match=r"must have 6 columns, as those before\. Received: 5\."):
        running.add(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"must be \[B, C\]\. Received the shape \(6,\)\."):
        running.add(np.zeros(6))


# --- files --------------------------------------------------------------------------------------


def test_saved_statistics_are_read_back_bit_by_bit(tmp_path):
    running, path = streamed(features(), 40), tmp_path / "new" / "statistics.npz"
    running.save(path)
    assert_same(load_statistics(path), running, rtol=0)
    assert list(path.parent.iterdir()) == [path]
    with np.load(path) as file:
        assert set(file.files) == {"mu", "sigma", "count"}


def test_statistics_of_another_project_are_read_without_a_count(tmp_path):
    path = tmp_path / "theirs.npz"
    np.savez(path, mu=np.zeros(3, np.float32), sigma=np.eye(3, dtype=np.float32), extra="words")
    found = load_statistics(path)
    assert found.rows is None
    assert (found.mean.dtype, found.covariance.dtype) == (np.float64, np.float64)
    assert frechet_distance(found, found) == pytest.approx(0, abs=1e-12)


def test_file_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"a\.npz: cannot be written: "):
        streamed(features(), 40).save(tmp_path / "file" / "a.npz")


GOOD = {"mu": np.zeros(3), "sigma": np.eye(3)}
SPOILT = {
    "no mu": ({"sigma": np.eye(3)}, "lacks 'mu'."),
    "neither": ({"a": np.eye(3)}, "lacks 'mu' and 'sigma'."),
    "other sizes": (GOOD | {"sigma": np.eye(4)}, r"Received: [3] and [4, 4]."),
    "no square": (GOOD | {"sigma": np.ones((3, 2))}, r"Received: [3] and [3, 2]."),
    "no vector": (GOOD | {"mu": np.zeros((1, 3))}, r"Received: [1, 3] and [3, 3]."),
    "empty": ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"Received: [0] and [0, 0]."),
    "NaN": (GOOD | {"mu": np.full(3, np.nan)}, "no finite numbers"),
    "words": (GOOD | {"mu": np.array(["a", "b", "c"])}, "no finite numbers"),
    "complex": (GOOD | {"sigma": np.eye(3) * 1j}, "no finite numbers"),
    "one row": (GOOD | {"count": 1}, "`count` must be one whole number, 2 or more. Received: 1."),
    "counts": (GOOD | {"count": np.array([5, 5])}, "`count` must be one whole number"),
    "half a row": (GOOD | {"count": 4.5}, "`count` must be one whole number"),
    "objects": (GOOD | {"mu": np.array([{}, {}, {}])}, "no whole .npz file of plain arrays"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_does_not_fit_is_told_in_one_line(name, tmp_path):
    content, complaint = SPOILT[name]
    path = tmp_path / "a.npz"
    np.savez(path, **content)
    with pytest.raises(UserError) as caught:
        load_statistics(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "\n" not in message


def test_damaged_and_missing_files_are_told_in_one_line(tmp_path):
    path = tmp_path / "a.npz"
    streamed(features(), 40).save(path)
    whole = path.read_bytes()
    spoilt = [b"", b"words", whole[: len(whole) // 2], whole[:300] + b"?" * 40 + whole[340:]]
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as archive:
        archive.writestr("mu", "no array")
        archive.writestr("sigma", "no array")
    np.save(tmp_path / "b.npy", np.eye(3))
    spoilt += [(tmp_path / name).read_bytes() for name in ("text.zip", "b.npy")]
    for content in spoilt:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.npz: is no whole \.npz file of plain arrays\."):
            load_statistics(path)
    with pytest.raises(UserError, match=r"nowhere\.npz: cannot be read: No such file"):
        load_statistics(tmp_path / "nowhere.npz")
