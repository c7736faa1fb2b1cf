"""Data sets laid out as people find them, and what is wrong with some."""

import json
import pickle
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from small_pictures import save_picture

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.sources import attngan, coco, cub, fluent_emoji

LISTS = Path(__file__).parent / "data"


def splits(found):
    return Counter(entry.split for entry in found.entries)


def by_name(found):
    return {entry.name: entry for entry in found.entries}


# --- cub ----------------------------------------------------------------------------------------


def assert_is_cub(found):
    assert splits(found) == {"train": 4, "test": 2}
    entry = by_name_(found, "001.Albatross/Albatross_0001_2")
    assert (entry.split, entry.class_id, entry.box) == ("test", 1, (10.0, 5.0, 20.0, 16.0))
    assert entry.captions == tuple(f"a blue bird number {j}" for j in range(10))
    assert entry.path.is_file()


def by_name_(found, name):
    return by_name(found)[name]


def test_cub_folder_or_the_one_above_it(cub_folder, tmp_path):
    assert_is_cub(cub.find(cub_folder, None, tmp_path / "work"))
    assert_is_cub(cub.find(cub_folder / "CUB_200_2011", None, tmp_path / "work"))


def test_cub_tarballs(cub_folder, tmp_path):
    for name in ("CUB_200_2011", "text_c10"):
        with tarfile.open(tmp_path / f"{name}.tgz", "w:gz") as tar:
            tar.add(cub_folder / name, name)
    shutil.rmtree(cub_folder)
    archives = tmp_path / "CUB_200_2011.tgz", tmp_path / "text_c10.tgz"
    assert_is_cub(cub.find(*archives, tmp_path / "work"))


def test_cub_without_captions_or_lists_is_told(cub_folder, tmp_path):
    next(cub_folder.glob("text_c10/*/*.txt")).unlink()
    found = cub.find(cub_folder, None, tmp_path)
    assert len(found.entries) == 5
    assert found.left_out[0].reason == (
        f"has no captions: {found.left_out[0].name}.txt: No such file or directory"
    )
    next(cub_folder.glob("text_c10/*/*.txt")).write_bytes("a bird".encode("utf-16-le"))
    assert "holds zero bytes" in cub.find(cub_folder, None, tmp_path).left_out[1].reason
    (cub_folder / "CUB_200_2011" / "bounding_boxes.txt").write_text("1 2 3\n")
    with pytest.raises(UserError, match=r"bounding_boxes.txt: picture 1: '2 3' is no box"):
        cub.find(cub_folder, cub_folder, tmp_path)
    (cub_folder / "CUB_200_2011" / "bounding_boxes.txt").write_text("1 2 3 inf 4\n")
    with pytest.raises(UserError, match=r"picture 1: '2 3 inf 4' is no box"):
        cub.find(cub_folder, cub_folder, tmp_path)
    (cub_folder / "CUB_200_2011" / "bounding_boxes.txt").write_text("1 2 3 4 4\n")
    images = cub_folder / "CUB_200_2011" / "images.txt"
    listed = images.read_text()
    images.write_text("1 foo.jpg\n")
    with pytest.raises(UserError, match=r"images.txt: 'foo.jpg' names no class"):
        cub.find(cub_folder, cub_folder, tmp_path)
    images.write_text(listed)
    shutil.rmtree(cub_folder / "text_c10")
    with pytest.raises(UserError, match="holds no captions: a folder such as text_c10"):
        cub.find(cub_folder, None, tmp_path)
    (cub_folder / "CUB_200_2011" / "images.txt").unlink()
    with pytest.raises(UserError, match="is no CUB-200-2011"):
        cub.find(cub_folder, None, tmp_path)


def test_cub_picture_without_a_box_or_of_another_class(cub_folder, tmp_path):
    boxes = cub_folder / "CUB_200_2011" / "bounding_boxes.txt"
    boxes.write_text("\n".join(boxes.read_text().splitlines()[:-1]) + "\n")
    (left_out,) = cub.find(cub_folder, None, tmp_path).left_out
    assert left_out.reason == "has no line in bounding_boxes.txt"
    images = cub_folder / "CUB_200_2011" / "images.txt"
    for name in ("201.X/a.jpg", "001.X/../../../a.jpg"):
        images.write_text(f"1 {name}\n")
        with pytest.raises(UserError, match="names no class"):
            cub.find(cub_folder, None, tmp_path)


# --- coco ---------------------------------------------------------------------------------------


def test_coco_folder(coco_folder, tmp_path):
    found = coco.find(coco_folder, None, tmp_path)
    assert splits(found) == {"train": 3, "test": 2}
    entry = by_name(found)["COCO_train2014_000000000025"]
    assert entry.captions == tuple(f"A green thing no {i}." for i in range(5))
    assert entry.path.is_file()


def test_coco_captions_and_pictures_without_each_other(coco_folder, tmp_path):
    path = coco_folder / "annotations" / "captions_val2014.json"
    content = json.loads(path.read_text())
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 73]
    content["annotations"].append({"id": 1, "image_id": 5, "caption": "nobody's"})
    path.write_text(json.dumps(content))
    found = coco.find(coco_folder, None, tmp_path)
    assert splits(found) == {"train": 3, "test": 1}
    reasons = [item.reason for item in found.left_out]
    assert any("has no caption in" in reason for reason in reasons)
    assert any("is in no list of files" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no file of COCO's captions"),
        ("[]", "is no file of COCO's captions"),
        (
            {"images": [{"id": 1, "file_name": "../../a.jpg"}], "annotations": []},
            "leaves the folder",
        ),
        ({"images": [{"id": "x", "file_name": "a.jpg"}], "annotations": []}, "is no file of COCO"),
        ("[" * 100_000, "is no file of COCO"),
        ('{"images": [{"id": Infinity, "file_name": "a.jpg"}]}', "is no file of COCO"),
        (
            {
                "images": [{"id": 1, "file_name": "a.jpg"}],
                "annotations": [{"id": 1, "image_id": 1, "caption": None}],
            },
            "is no file of COCO",
        ),
    ],
)
def test_coco_file_that_is_none(coco_folder, tmp_path, content, message):
    text = content if isinstance(content, str) else json.dumps(content)
    (coco_folder / "annotations" / "captions_train2014.json").write_text(text)
    with pytest.raises(UserError, match=message):
        coco.find(coco_folder, None, tmp_path)


# --- attngan ------------------------------------------------------------------------------------

WORDS = ("<end>", "a", "bird", "red", "blue")


def make_attngan(root, names, class_ids=None, captions_each=2, text=False, suffix=".jpg"):
    """The folder of AttnGAN's users. Args: names: by split."""
    encoded = []
    for split in ("train", "test"):
        encoded.append([[1, 3 + i % 2, 2] for i in range(captions_each * len(names[split]))])
        (root / split).mkdir(parents=True)
        (root / split / "filenames.pickle").write_bytes(pickle.dumps(names[split], 0))
        if class_ids:
            (root / split / "class_info.pickle").write_bytes(pickle.dumps(class_ids[split], 2))
        for name in names[split]:
            save_picture(root / "images" / f"{name}{suffix}")
            if text:
                path = root / "text" / f"{name}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"a blue bird called {name}\n")
    content = [*encoded, dict(enumerate(WORDS)), {w: i for i, w in enumerate(WORDS)}]
    (root / "captions.pickle").write_bytes(pickle.dumps(content, 2))
    return root


NAMES = {"train": ["one/a", "one/b", "two/c"], "test": ["three/d"]}


def test_attngan_keeps_its_vocabulary_and_reads_its_pickles(tmp_path):
    classes = {"train": [1, 1, 2], "test": [3]}
    found = attngan.find(make_attngan(tmp_path / "birds", NAMES, classes), None, tmp_path)
    assert found.words == WORDS
    assert splits(found) == {"train": 3, "test": 1}
    entry = by_name(found)["one/b"]
    assert (entry.class_id, entry.captions) == (1, ("a red bird", "a blue bird"))


def test_attngan_takes_texts_where_they_are(tmp_path):
    found = attngan.find(make_attngan(tmp_path / "birds", NAMES, text=True), None, tmp_path)
    assert by_name(found)["two/c"].captions == ("a blue bird called two/c",)
    assert by_name(found)["two/c"].class_id is None


def test_attngan_mistakes_are_told(tmp_path):
    root = make_attngan(tmp_path / "birds", NAMES)
    (root / "images" / "one" / "a.jpg").unlink()
    (left_out,) = attngan.find(root, None, tmp_path).left_out
    assert left_out.name == "one/a" and "there is no picture" in left_out.reason
    names = root / "train" / "filenames.pickle"
    names.write_bytes(pickle.dumps([*NAMES["train"], "x", "y"], 2))
    with pytest.raises(
        UserError, match="holds 6 captions of the train split, no multiple of the 5"
    ):
        attngan.find(root, None, tmp_path)
    names.write_bytes(pickle.dumps(["../../etc/passwd"], 2))
    with pytest.raises(UserError, match="refused: a name leaves the folder"):
        attngan.find(root, None, tmp_path)
    names.write_bytes(pickle.dumps(NAMES, 2)[:-5])
    with pytest.raises(UserError, match=r"filenames\.pickle"):
        attngan.find(root, None, tmp_path)


def test_real_cub_lists_give_the_split_of_the_papers(tmp_path):
    """The community's own lists, pictures and captions of one byte's worth."""
    from dmgan_tf.interop.restricted_pickle import read_pickle

    root, picture = tmp_path / "birds", save_picture(tmp_path / "a.jpg")
    encoded = []
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for name in ("filenames", "class_info"):
            shutil.copy(LISTS / f"cub_{split}_{name}.pickle", root / split / f"{name}.pickle")
        names = read_pickle(root / split / "filenames.pickle")
        encoded.append([[1, 2]] * len(names))
        for name in names:
            path = root / "images" / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(picture)
    content = [*encoded, dict(enumerate(WORDS)), {w: i for i, w in enumerate(WORDS)}]
    (root / "captions.pickle").write_bytes(pickle.dumps(content, 2))
    found = attngan.find(root, None, tmp_path)
    assert splits(found) == {"train": 8855, "test": 2933}
    for entry in found.entries:
        assert (entry.split == "test") == (entry.class_id in cub.TEST_CLASSES)
        assert entry.class_id == int(entry.name[:3])


# --- fluent emoji -------------------------------------------------------------------------------


def test_emoji_names_splits_and_what_is_left_out(tmp_path):
    pytest.importorskip("emoji")
    colors = ("2764-fe0f", "1f9e1", "1f49b", "1f49a", "1f499", "1f49c", "1f90e", "1f5a4", "1f90d")
    tones = [f"1f44c-1f3f{t}" for t in "bcdef"] + [f"1f44d-1f3f{t}" for t in "bcdef"]
    odd = [
        "1f1e9-1f1ea",
        "1f3f4-e0067_e0062",
        "1f468-200d-1f4bb",
        "1f3ae",
        "1f4ce",
        "0023-fe0f-20e3",
    ]
    for code in (*colors, *tones, *odd, "23-fe0f-20e3", "1f347"):
        save_picture(tmp_path / "package" / "assets" / f"{code}.webp")
    found = fluent_emoji.find(tmp_path, None, tmp_path / "work")
    names = {entry.name: entry.captions[0] for entry in found.entries}
    assert names["1f49a"] == "green heart" and names["1f347"] == "grapes"
    # Files of one medium tone show the other.
    assert names["1f44c-1f3fc"] == "ok hand medium skin tone"
    assert names["1f44c-1f3fd"] == "ok hand medium light skin tone"
    assert names["1f44c-1f3fe"] == "ok hand medium dark skin tone"
    assert by_name(found)["1f347"].split == "train"  # alone of its kind
    assert not found.left_out  # so that --strict can succeed
    assert {item.name for item in found.excluded} == {*odd[:-1], "23-fe0f-20e3"}
    with pytest.raises(UserError, match="takes its captions from the package"):
        fluent_emoji.find(tmp_path, tmp_path, tmp_path / "work")
    with pytest.raises(UserError, match=r"holds no \.webp pictures"):
        fluent_emoji.find(tmp_path / "work", None, tmp_path / "work")
