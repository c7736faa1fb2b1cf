"""Real pictures, and pictures that are kept in a folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.folder import Folder
from dmgan_tf.evaluation.pictures import Kept, Real

CAPTIONS = ("a röd bird", "two\u2028lines", "a bird")


def real(**changes):
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3)).astype(np.uint8)
    pictures = PictureSet(captions=(CAPTIONS,) * 3, class_ids=np.arange(3), images=images)
    return Real(pictures, **{"side": 8, "load_side_ratio": 1.0} | changes), images


def kept(folder, captions=CAPTIONS):
    return Kept(real()[0], folder, captions, np.arange(3))


def test_real_pictures_are_all_of_the_set_in_its_order():
    pictures, images = real()
    assert (len(pictures), pictures.label(2)) == (3, "the real picture 2")
    np.testing.assert_array_equal(pictures.read(1, 3), images[1:])
    others = [real(**changes)[0] for changes in ({}, {"blurred": True}, {"side": 4})]
    assert len({other.fingerprint for other in (pictures, *others)}) == 3


def test_kept_pictures_are_read_back_with_their_captions(tmp_path):
    pictures = kept(tmp_path / "new" / "kept")
    assert not (tmp_path / "new").exists()  # before there is anything to keep
    pictures.read(0, 2)
    pictures.read(2, 3)
    again = Folder(tmp_path / "new" / "kept")
    np.testing.assert_array_equal(again.read(0, 3), real()[1])
    assert (again.captions, again.class_ids.tolist()) == (list(CAPTIONS), [0, 1, 2])
    kept(tmp_path / "new" / "kept").read(0, 3)  # once more is no other list


def test_list_of_other_pictures_is_not_overwritten(tmp_path):
    mine = json.dumps({"file_name": "mine.jpg", "text": "precious"})
    (tmp_path / "metadata.jsonl").write_text(mine)
    with pytest.raises(UserError, match=r"metadata\.jsonl: is the list of other pictures"):
        kept(tmp_path)
    assert (tmp_path / "metadata.jsonl").read_text() == mine


def test_list_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def write_half(file, text, **_):
        file.write_bytes(text.encode()[:20])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "kept").read(0, 1)
    assert not list((tmp_path / "kept").iterdir())
