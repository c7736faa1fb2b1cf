"""The input pipeline: sides, flips and crops of pictures, in memory and on disk."""

import io

import numpy as np
from PIL import Image
from small_pictures_set import AUGMENTED, COUNT, SIDE, batches, joined, pictures

from dmgan_tf.data.picture_set import PictureSet, Records
from dmgan_tf.data.pipeline import read_pictures


def test_largest_side_is_the_picture_itself_in_minus_one_to_one():
    source = pictures()
    batch = batches(1)[0]
    assert batch["images_16"].dtype == np.float32
    expected = source.images[batch["class_ids"]] / 127.5 - 1
    np.testing.assert_allclose(batch["images_16"], expected, atol=1e-6)


def test_black_and_white_are_minus_one_and_one():
    images = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    images[1] = 255
    batch = batches(1, 2, pictures((("a",), ("b",)), images))[0]
    for side in (8, 16):
        values = batch[f"images_{side}"][np.argsort(batch["class_ids"])]
        np.testing.assert_allclose(values[0], -1, atol=1e-6)
        np.testing.assert_allclose(values[1], 1, atol=1e-6)


def test_every_side_shows_the_same_picture_averaged():
    columns = np.linspace(0, 2, SIDE)
    waves = [
        np.sin(columns * (1 + i / COUNT))[:, None] * np.cos(columns * i / 7) for i in range(COUNT)
    ]
    images = np.stack([np.stack([wave] * 3, axis=-1) for wave in waves])
    images = np.uint8(np.rint((images + 1) * 127.5))
    batch = batches(1, picture_set=pictures(images=images), changes={"sides": (4, 8, 16)})[0]
    large = batch["images_16"]
    for side in (4, 8):
        small, times = batch[f"images_{side}"], SIDE // side
        assert small.shape == (4, side, side, 3)
        average = large.reshape(4, side, times, side, times, 3).mean(axis=(2, 4))
        np.testing.assert_allclose(small[:, 1:-1, 1:-1], average[:, 1:-1, 1:-1], atol=0.05)
        assert np.abs(small).max() <= 1


def test_stripes_too_fine_for_a_small_side_become_grey():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    images[:, :, 1::4] = images[:, :, 2::4] = 255  # dark, light, light, dark
    batch = batches(1, 2, pictures((("a",), ("b",)), images), {"sides": (8, 32)})[0]
    assert np.abs(batch["images_32"]).min() > 0.99
    assert np.abs(batch["images_8"][:, :, 1:-1]).max() < 0.02


def flipped(batch, source):
    """For every picture whether it is its source, and whether it is its source's mirror image."""
    originals = source.images[batch["class_ids"]] / 127.5 - 1
    is_same = np.isclose(batch["images_16"], originals, atol=1e-6).all(axis=(1, 2, 3))
    is_mirrored = np.isclose(batch["images_16"], originals[:, :, ::-1], atol=1e-6).all(
        axis=(1, 2, 3)
    )
    return is_same, is_mirrored


def test_pictures_are_not_flipped_unless_asked_for():
    assert flipped(joined(batches(5)), pictures())[0].all()


def test_half_of_the_pictures_are_flipped_when_asked_for():
    batch = joined(batches(10, 10, changes={"horizontal_flip": True}))
    is_same, is_mirrored = flipped(batch, pictures())
    assert (is_same ^ is_mirrored).all()
    assert 30 <= is_mirrored.sum() <= 70


def test_flip_is_the_same_at_every_side():
    batch = joined(batches(5, changes={"horizontal_flip": True}))
    plain = joined(batches(5))
    for side in (8, 16):
        mirrored = plain[f"images_{side}"][:, :, ::-1]
        same = np.isclose(batch[f"images_{side}"], mirrored, atol=1e-5).all(axis=(1, 2, 3))
        np.testing.assert_array_equal(same, flipped(batch, pictures())[1])


def test_crop_is_a_window_of_the_enlarged_picture_at_any_place():
    load_side = 20
    source = pictures()
    enlarged = read_pictures(source, np.arange(COUNT), load_side) / 127.5 - 1
    batch = joined(batches(8, 10, changes={"load_side_ratio": load_side / SIDE}))
    places = set()
    for image, i in zip(batch["images_16"], batch["class_ids"], strict=True):
        found = [
            (y, x)
            for y in range(load_side - SIDE + 1)
            for x in range(load_side - SIDE + 1)
            if np.abs(image - enlarged[i, y : y + SIDE, x : x + SIDE]).max() < 0.01
        ]
        assert found
        places.add(found[0])
    assert {y for y, _ in places} == {x for _, x in places} == set(range(5))


def test_pictures_on_disk_are_seen_as_those_in_memory(tmp_path):
    source = pictures()
    contents = []
    for image in source.images:
        framed = np.zeros((SIDE + 5, SIDE + 7, 3), np.uint8)
        framed[2 : 2 + SIDE, 3 : 3 + SIDE] = image
        buffer = io.BytesIO()
        Image.fromarray(framed).save(buffer, format="PNG")
        contents.append(buffer.getvalue())
    # Two files, each with something before and between the pictures.
    places = []
    for number in range(2):
        with (tmp_path / str(number)).open("wb") as file:
            for content in contents[number::2]:
                file.write(b"between")
                places.append((number, file.tell(), len(content)))
                file.write(content)
    order = [number + 2 * i for number in range(2) for i in range(len(contents[number::2]))]
    file_of, offsets, sizes = np.array(places)[np.argsort(order)].T
    on_disk = PictureSet(
        captions=source.captions,
        class_ids=source.class_ids,
        records=Records(
            names=tuple(map(str, range(COUNT))),
            files=tuple(str(tmp_path / str(number)) for number in range(2)),
            file_of=file_of,
            offsets=offsets,
            sizes=sizes,
            crops=np.array([[3, 2, SIDE, SIDE]] * COUNT, np.int32),
        ),
    )
    for one, other in zip(
        batches(2, picture_set=on_disk, changes=AUGMENTED),
        batches(2, changes=AUGMENTED),
        strict=True,
    ):
        for name in other:
            np.testing.assert_allclose(one[name], other[name], atol=1e-5, err_msg=name)


def test_chosen_pictures_are_read_as_they_are_in_the_order_asked_for():
    source = pictures()
    np.testing.assert_array_equal(
        read_pictures(source, np.array([7, 2]), SIDE), source.images[[7, 2]]
    )
