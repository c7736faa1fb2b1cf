"""Pictures of other programs."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.folder import Folder


def fill(folder, sizes=((8, 8),) * 3, suffix=".png"):
    folder.mkdir(exist_ok=True)
    for i, size in enumerate(sizes):
        Image.new("RGB", size, (i, 0, 0)).save(folder / f"{i}{suffix}")
    return folder


def test_pictures_come_in_the_order_of_their_names(tmp_path):
    pictures = Folder(fill(tmp_path / "a"))
    assert (len(pictures), pictures.side) == (3, 8)
    np.testing.assert_array_equal(pictures.read(1, 3)[:, 0, 0, 0], [1, 2])
    assert pictures.captions is None and pictures.class_ids is None


def test_list_gives_order_captions_and_classes(tmp_path):
    folder = fill(tmp_path / "a")
    rows = [{"file_name": f"{i}.png", "text": f"bird {i}", "class_id": i} for i in (2, 0)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pictures = Folder(folder)
    np.testing.assert_array_equal(pictures.read(0, 2)[:, 0, 0, 0], [2, 0])
    assert pictures.captions == ["bird 2", "bird 0"] and pictures.class_ids.tolist() == [2, 0]


def test_fewer_pictures_are_the_first_of_the_list_with_their_captions(tmp_path):
    folder = fill(tmp_path / "a")
    rows = [
        {"file_name": str(folder / f"{i}.png"), "text": f"bird {i}", "class_id": i}
        for i in (2, 0, 1)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pictures = Folder(folder, 2)
    assert (len(pictures), pictures.captions) == (2, ["bird 2", "bird 0"])
    assert pictures.class_ids.tolist() == [2, 0]


def test_list_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    folder = fill(tmp_path / "a")
    (folder / "metadata.jsonl").touch()

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match=r"metadata\.jsonl: cannot be read: Permission denied"):
        Folder(folder)


def test_changed_pictures_have_another_fingerprint(tmp_path):
    folder = fill(tmp_path / "a")
    before = Folder(folder).fingerprint
    assert Folder(folder).fingerprint == before
    Image.new("RGB", (8, 8), "white").save(folder / "1.png")
    assert Folder(folder).fingerprint != before


def cut(folder):
    path = folder / "1.png"
    Image.effect_noise((8, 8), 50).save(path)
    path.write_bytes(path.read_bytes()[:-40])


def listed(content):
    return lambda folder: (folder / "metadata.jsonl").write_bytes(content)


@pytest.mark.parametrize(
    ("sizes", "spoil", "message"),
    [
        ((), None, "holds 0 pictures, 2 are needed"),
        (((8, 8),), None, "holds 1 pictures, 2 are needed"),
        (((8, 8), (8, 8), (16, 16)), None, "several sizes: 0.png is 8 × 8, 2.png is 16 × 16"),
        (((8, 6),) * 2, None, "must hold square pictures, not 8 × 6"),
        (((8, 8),) * 2, cut, "1.png: is damaged or cut short"),
        (((8, 8),) * 2, lambda f: (f / "1.png").write_text("no"), "1.png: is no picture"),
        (
            ((8, 8),) * 2,
            listed(b'\n{"file_name": "0.png"}'),
            r"metadata.jsonl, line 2: must have `file_name` and `text`",
        ),
        (
            ((8, 8),) * 2,
            listed(b'{"file_name": "../x.png", "text": "a"}'),
            r"metadata.jsonl, line 1: '../x.png' leaves the folder",
        ),
        (((8, 8),) * 2, listed(b'{"file_name": "0.png"'), "metadata.jsonl, line 1: is no JSON"),
        (((8, 8),) * 2, listed(b"\n" + b"[" * 100_000), "metadata.jsonl, line 2: is no JSON"),
        (((8, 8),) * 2, listed(b"\n\n\0"), "metadata.jsonl is no text: line 3 holds zero bytes"),
        (((8, 8),) * 2, listed(b'{"file_name": "a\xe9.png", "text": "a"}\n' * 2), "aé.png: is no"),
    ],
    ids=[
        *("none", "one", "sizes", "oblong", "cut", "text", "no text", "leaves"),
        *("no JSON", "deep", "binary", "windows"),
    ],
)
def test_what_cannot_be_scored_is_told(tmp_path, sizes, spoil, message):
    folder = fill(tmp_path / "a", sizes)
    if spoil:
        spoil(folder)
    with pytest.raises(UserError, match=message):
        Folder(folder).read(0, 2)


def test_fewer_pictures_than_asked_for_and_no_folder(tmp_path):
    with pytest.raises(UserError, match="holds 3 pictures, 5 are needed"):
        Folder(fill(tmp_path / "a"), 5)
    with pytest.raises(UserError, match="there is no such folder"):
        Folder(tmp_path / "b")
