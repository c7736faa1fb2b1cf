"""What was seen is kept: flat, whole, and not seen twice."""

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.collecting import collect


class Numbered:
    """N pictures, picture i of grey level i; remembers what was read."""

    side = 4

    def __init__(self, count, fingerprint="one"):
        self.fingerprint = fingerprint
        self._count = count
        self.read_rows = []

    def __len__(self):
        return self._count

    def read(self, start, stop):
        self.read_rows.extend(range(start, stop))
        levels = np.arange(start, stop, dtype=np.uint8)
        return np.broadcast_to(levels[:, None, None, None], (stop - start, 4, 4, 3))

    def label(self, row):
        return f"picture number {row}"


def mean_and_ends(images):
    levels = images[:, 0, 0, 0].astype(np.float32)
    return {"mean": images.mean(axis=(1, 2, 3)), "ends": np.stack([levels, -levels], axis=1)}


def seen(pictures, folder, observers=(mean_and_ends,), identity="x", batch_size=3):
    return collect(pictures, observers, folder, identity, batch_size, "test")


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_arrays_hold_every_picture_whatever_the_batches(tmp_path, batch_size):
    arrays = seen(Numbered(10), tmp_path, batch_size=batch_size)
    np.testing.assert_array_equal(arrays["mean"], np.arange(10))
    np.testing.assert_array_equal(arrays["ends"][:, 1], -np.arange(10))


def test_a_stopped_run_goes_on_behind_the_last_whole_batch(tmp_path):
    def stop_at_six(images):
        if images.max() >= 6:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        seen(Numbered(10), tmp_path, [mean_and_ends, stop_at_six])
    pictures = Numbered(10)
    arrays = seen(pictures, tmp_path)
    assert pictures.read_rows == [6, 7, 8, 9]
    np.testing.assert_array_equal(arrays["mean"], np.arange(10))


def test_what_is_whole_is_not_looked_at_again(tmp_path):
    seen(Numbered(10), tmp_path)
    again = Numbered(10)
    np.testing.assert_array_equal(seen(again, tmp_path)["mean"], np.arange(10))
    assert not again.read_rows


@pytest.mark.parametrize("change", ["pictures", "observers", "count"])
def test_other_pictures_or_observers_begin_anew(tmp_path, change):
    seen(Numbered(10), tmp_path)
    pictures = Numbered(9 if change == "count" else 10, "other" if change == "pictures" else "one")
    identity = "y" if change == "observers" else "x"
    arrays = seen(pictures, tmp_path, identity=identity)
    assert len(pictures.read_rows) == len(pictures) == len(arrays["mean"])


def test_no_number_is_told_with_its_picture(tmp_path):
    def bad_at_seven(images):
        levels = images[:, 0, 0, 0].astype(np.float32)
        return {"damsm": np.where(levels == 7, np.nan, levels)[:, None]}

    with pytest.raises(UserError, match="damsm: sees no finite numbers in picture number 7"):
        seen(Numbered(10), tmp_path, [bad_at_seven])


def test_damaged_arrays_are_made_again(tmp_path):
    seen(Numbered(10), tmp_path)
    (tmp_path / "mean.npy").write_bytes(b"no array")
    np.testing.assert_array_equal(seen(Numbered(10), tmp_path)["mean"], np.arange(10))
    (tmp_path / "done.json").write_text("{")
    np.testing.assert_array_equal(seen(Numbered(10), tmp_path)["mean"], np.arange(10))
