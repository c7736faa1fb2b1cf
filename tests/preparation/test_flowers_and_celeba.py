"""Oxford Flowers-102 and CelebA-HQ with captions, in the layouts that people have."""

import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from folders import by_name, reasons
from scipy.io import savemat
from small_entries import prepare
from small_pictures import save_picture

from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.sources import celeba, flowers

LABELS = [1, 1, 2, 2, 3, 3]  # of pictures 1 to 6


@pytest.fixture
def flowers_folder(tmp_path):
    """102flowers.tgz unpacked, with Reed's texts and lists: three classes of two pictures."""
    root = tmp_path / "flowers"
    for number, label in enumerate(LABELS, start=1):
        save_picture(root / "jpg" / f"image_{number:05d}.jpg")
        text = root / "text_c10" / f"class_{label:05d}" / f"image_{number:05d}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(f"a red flower number {j}\n" for j in range(10)))
    (root / "trainvalclasses.txt").write_text("class_00001\nclass_00003\n")
    (root / "testclasses.txt").write_text("class_00002\n")
    return root


def assert_are_flowers(found, splits=("train", "train", "test", "test", "train", "train")):
    assert [e.name for e in found.entries] == [f"image_{i:05d}" for i in range(1, 7)]
    assert [e.class_id for e in found.entries] == LABELS
    assert [e.split for e in found.entries] == list(splits)
    assert found.entries[0].captions == tuple(f"a red flower number {j}" for j in range(10))
    assert not found.left_out


def test_flowers_with_reeds_texts_and_lists(flowers_folder, tmp_path):
    found = flowers.find(flowers_folder, None, tmp_path / "work")
    assert_are_flowers(found)
    prepare(found, tmp_path / "out")
    assert len(load_prepared(tmp_path / "out", "test")) == 2


def test_flowers_in_two_archives(flowers_folder, tmp_path):
    with tarfile.open(tmp_path / "102flowers.tgz", "w:gz") as tar:
        tar.add(flowers_folder / "jpg", "jpg")
    with tarfile.open(tmp_path / "cvpr2016_flowers.tar.gz", "w:gz") as tar:
        for name in ("text_c10", "trainvalclasses.txt", "testclasses.txt"):
            tar.add(flowers_folder / name, f"cvpr2016_flowers/{name}")
    shutil.rmtree(flowers_folder)
    archives = tmp_path / "102flowers.tgz", tmp_path / "cvpr2016_flowers.tar.gz"
    assert_are_flowers(flowers.find(*archives, tmp_path / "work"))


def test_flowers_with_the_data_sets_own_lists(flowers_folder, tmp_path):
    for path in flowers_folder.glob("text_c10/*/*.txt"):
        path.rename(flowers_folder / path.name)
    shutil.rmtree(flowers_folder / "text_c10")
    (flowers_folder / "testclasses.txt").unlink()
    savemat(flowers_folder / "imagelabels.mat", {"labels": np.array([LABELS], np.uint8)})
    sets = {"trnid": [6, 1], "valid": [2], "tstid": [5, 4, 3]}
    savemat(flowers_folder / "setid.mat", {k: np.array([v], np.uint16) for k, v in sets.items()})
    splits = ("train", "train", "test", "test", "test", "train")
    assert_are_flowers(flowers.find(flowers_folder, None, tmp_path), splits)


def test_flowers_that_lack_something_are_told(flowers_folder, tmp_path):
    (flowers_folder / "testclasses.txt").write_text("")
    (flowers_folder / "text_c10" / "class_00001" / "image_00001.txt").unlink()
    (flowers_folder / "text_c10" / "class_00001" / "image_00002.txt").write_bytes(b"a\0")
    found = flowers.find(flowers_folder, None, tmp_path)
    assert list(by_name(found)) == ["image_00005", "image_00006"]
    assert reasons(found) == {
        "image_00001": "has no captions: there is no image_00001.txt",
        "image_00002": "has no captions: image_00002.txt is no text: line 1 holds zero bytes",
        "image_00003": "is of no class, or of none in the lists",
        "image_00004": "is of no class, or of none in the lists",
    }
    (flowers_folder / "testclasses.txt").write_text("roses\n")
    with pytest.raises(UserError, match=r"testclasses.txt: 'roses' is no class such as class_0"):
        flowers.find(flowers_folder, None, tmp_path)
    (flowers_folder / "testclasses.txt").unlink()
    with pytest.raises(UserError, match=r"holds neither trainvalclasses.txt and .* nor setid.mat"):
        flowers.find(flowers_folder, None, tmp_path)
    for content in (b"", b"MATLAB 5.0 MAT-file" + b"\xff" * 200, pickle.dumps({"trnid": [1]})):
        (flowers_folder / "setid.mat").write_bytes(content)
        with pytest.raises(UserError, match=r"setid\.mat: cannot be read as setid") as caught:
            flowers.find(flowers_folder, None, tmp_path)
        assert "\n" not in str(caught.value)
    savemat(flowers_folder / "setid.mat", {"trnid": np.array([0.5])})
    with pytest.raises(UserError, match="`trnid` holds no whole numbers"):
        flowers.find(flowers_folder, None, tmp_path)
    shutil.rmtree(flowers_folder / "text_c10")
    with pytest.raises(UserError, match="holds no captions such as text_c10/class_00001"):
        flowers.find(flowers_folder, None, tmp_path)
    shutil.rmtree(flowers_folder / "jpg")
    with pytest.raises(UserError, match="holds no pictures such as jpg/image_00001"):
        flowers.find(flowers_folder, None, tmp_path)


@pytest.fixture
def celeba_folder(tmp_path):
    """Multi-Modal-CelebA-HQ of three training pictures and a test picture."""
    for number in range(4):
        save_picture(tmp_path / "celeba" / "images" / f"{number}.jpg")
        text = tmp_path / "celeba" / "celeba-caption" / f"{number}.txt"
        text.parent.mkdir(exist_ok=True)
        text.write_text(f"She wears {number} earrings.\nThe woman is young.\n")
    return tmp_path / "celeba"


def write_pickles(root, form, train, test):
    for split, names in (("train", train), ("test", test)):
        path = root / form.format(split)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(names, 2))


@pytest.mark.parametrize("form", ["{}/filenames.pickle", "filenames_{}.pickle"])
@pytest.mark.parametrize("kind", [str, int, "{}.jpg".format])
def test_celeba_with_pickled_lists(celeba_folder, tmp_path, form, kind):
    write_pickles(celeba_folder, form, [kind(2), kind(0), kind(1)], [kind(3)])
    found = celeba.find(celeba_folder, None, tmp_path)
    assert [(e.name, e.split) for e in found.entries] == [
        *((name, "train") for name in "201"),
        ("3", "test"),
    ]
    assert found.entries[0].captions == ("She wears 2 earrings.", "The woman is young.")


def test_celeba_with_lists_of_text_and_an_archive_of_captions(celeba_folder, tmp_path):
    with tarfile.open(tmp_path / "text.tar", "w") as tar:
        tar.add(celeba_folder / "celeba-caption", "celeba-caption")
    shutil.rmtree(celeba_folder / "celeba-caption")
    (celeba_folder / "images").rename(celeba_folder / "CelebA-HQ-img")
    (celeba_folder / "train.txt").write_text("0.jpg\n1\n7\n")
    (celeba_folder / "test.txt").write_text("3\n")
    found = celeba.find(celeba_folder, tmp_path / "text.tar", tmp_path / "work")
    assert [entry.name for entry in found.entries] == ["0", "1", "3"]
    assert reasons(found) == {"7": "there is no picture 7.jpg"}


def test_archives_of_whole_folders(flowers_folder, celeba_folder, tmp_path):
    write_pickles(celeba_folder, "{}/filenames.pickle", ["0", "1", "2"], ["3"])
    for folder, find in ((flowers_folder, flowers.find), (celeba_folder, celeba.find)):
        straight = find(folder, None, tmp_path / "none")
        archive = shutil.make_archive(folder, "zip", tmp_path, folder.name)
        folder.rename(tmp_path / "away")
        found = find(Path(archive), None, tmp_path / f"work_{folder.name}")
        assert not found.left_out
        described = [[(e.name, e.split, e.captions) for e in f.entries] for f in (found, straight)]
        assert described[0] == described[1]
        shutil.rmtree(tmp_path / "away")


def test_celeba_in_an_archive_of_pictures_and_one_of_texts_and_lists(celeba_folder, tmp_path):
    pictures = shutil.make_archive(tmp_path / "images", "zip", celeba_folder, "images")
    shutil.rmtree(celeba_folder / "images")
    write_pickles(celeba_folder, "filenames_{}.pickle", ["0", "1", "2"], ["3"])
    texts = shutil.make_archive(tmp_path / "texts", "tar", tmp_path, "celeba")
    found = celeba.find(Path(pictures), Path(texts), tmp_path / "work")
    assert [entry.name for entry in found.entries] == ["0", "1", "2", "3"]


def test_celeba_mistakes_are_told(celeba_folder, tmp_path):
    def find():
        return celeba.find(celeba_folder, None, tmp_path)

    with pytest.raises(UserError, match=r"has no list of the train split: filenames\.pickle"):
        find()
    write_pickles(celeba_folder, "{}/filenames.pickle", ["0", "1"], ["3"])
    (celeba_folder / "celeba-caption" / "1.txt").unlink()
    assert reasons(find()) == {"1": "has no captions: No such file or directory"}
    for names, message in (
        (["../0"], "refused: a name leaves the folder"),
        ({"0": 1}, "is no list of the pictures' names"),
        ([b"0"], "is no list of the pictures' names"),
    ):
        write_pickles(celeba_folder, "{}/filenames.pickle", names, ["3"])
        with pytest.raises(UserError, match=message):
            find()
    (celeba_folder / "train" / "filenames.pickle").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"train/filenames\.pickle: "):
        find()
