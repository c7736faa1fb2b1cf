"""The prepared folder as training reads it: what is in it, and what is told where it is damaged."""

import numpy as np
import pytest
from PIL import Image
from small_entries import entries, prepare

from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.entry import Found


def test_what_was_written_is_read_back(tmp_path):
    found = entries(tmp_path)
    prepare(Found(entries=found), tmp_path / "out")
    train, test = (load_prepared(tmp_path / "out", split) for split in ("train", "test"))
    assert train.captions == tuple(e.captions for e in found[:4])
    assert train.class_ids.tolist() == [0, 1, 2, 3] and test.class_ids.tolist() == [4]
    expected = [np.asarray(Image.open(e.path).resize((8, 8))) for e in found[:4]]
    drawn = read_pictures(train, np.arange(4), 8)
    for picture, wanted in zip(drawn, expected, strict=True):
        assert np.abs(picture[4, 4].astype(int) - wanted[4, 6]).max() <= 2
    words = load_prepared_vocabulary(tmp_path / "out")
    assert words.encode("a red bird number 2")[1] == []
    assert words.encode("number 4")[1] == ["4"]  # of the test split alone


def test_vocabulary_of_the_source_is_kept_id_for_id(tmp_path):
    words = ("<end>", "bird", "never", "red", "a")
    found = Found(entries=entries(tmp_path, captions=("a red bird",)), words=words)
    prepare(found, tmp_path / "out")
    assert load_prepared_vocabulary(tmp_path / "out").words == words


def test_crop_is_cubs_square(tmp_path):
    found = entries(tmp_path, box=(10.0, 5.0, 20.0, 16.0))
    prepare(Found(entries=found), tmp_path / "out")
    # Middle (20, 13), half side 15, cut at the top edge.
    assert load_prepared(tmp_path / "out", "train").records.crops[0].tolist() == [5, 0, 30, 28]


def cut_shard(out):
    (shard,) = out.glob("train-*.tfrecord")
    shard.write_bytes(shard.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "metadata.json").unlink(), "is no prepared folder"),
        (lambda out: (out / "metadata.json").write_text("{"), "metadata.json: is damaged"),
        (lambda out: (out / "metadata.json").write_text('{"format": 0}'), "format 0 is not 1"),
        (lambda out: (out / "index.jsonl").write_text("{}\n"), "index.jsonl: is damaged"),
        (lambda out: (out / "index.jsonl").write_text(""), "holds no picture of the train split"),
        (lambda out: next(out.glob("train-*")).unlink(), "the shard train-00000-of-00001.tfrecord"),
        (cut_shard, "is cut short"),
    ],
    ids=["no metadata", "metadata", "format", "index", "empty index", "no shard", "cut shard"],
)
def test_damaged_folder_is_told_in_one_line(tmp_path, damage, message):
    out = tmp_path / "out"
    prepare(Found(entries=entries(tmp_path)), out)
    damage(out)
    with pytest.raises(UserError, match=message) as caught:
        load_prepared(out, "train")
    assert "\n" not in str(caught.value)


def test_captions_may_hold_any_line_end(tmp_path):
    captions = ("a red\u2028bird", "a\u0085bird")
    prepare(Found(entries=entries(tmp_path, captions=captions)), tmp_path / "out")
    assert load_prepared(tmp_path / "out", "train").captions[0] == captions


def test_vocabulary_of_another_folder_is_refused(tmp_path):
    prepare(Found(entries=entries(tmp_path)), tmp_path / "out")
    Vocabulary(["<end>", "other"]).save(tmp_path / "out" / "vocabulary.json")
    with pytest.raises(UserError, match="is of another data set"):
        load_prepared_vocabulary(tmp_path / "out")
