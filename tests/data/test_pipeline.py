"""The input pipeline: what training sees depends on seed and position, and on nothing else."""

import io
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.picture_set import PictureSet, Records
from dmgan_tf.data.pipeline import PipelineOptions, read_pictures, training_dataset
from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.errors import UserError

COUNT, SIDE = 10, 16
WORDS = tuple("abcdefgh")
VOCABULARY = Vocabulary([END, *WORDS])


def pictures(captions=None, images=None):
    """Ten pictures of random smooth colours; the class of a picture is its place."""
    rng = np.random.default_rng(0)
    if images is None:
        coarse = rng.integers(0, 256, (COUNT, 4, 4, 3)).astype(np.uint8)
        images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    if captions is None:
        captions = tuple(
            tuple(WORDS[: 1 + (i + j) % 4] for j in range(1 + i % 3)) for i in range(COUNT)
        )
        captions = tuple(tuple(" ".join(words) for words in row) for row in captions)
    return PictureSet(captions=captions, class_ids=np.arange(len(images)), images=images)


def options(**changes):
    values = {"sides": (8, SIDE), "max_words": 5, "noise_size": 3, "condition_size": 2, "seed": 4}
    return PipelineOptions(**values | changes)


def batches(count, batch_size=4, picture_set=None, changes=None, **arguments):
    """The first batches as a list of flat dicts of NumPy arrays."""
    dataset = training_dataset(
        pictures() if picture_set is None else picture_set,
        VOCABULARY,
        options(**changes or {}),
        batch_size=batch_size,
        **arguments,
    )
    flat = []
    for batch in islice(dataset.as_numpy_iterator(), count):
        batch = dict(batch)
        images = batch.pop("images")
        flat.append(batch | {f"images_{image.shape[1]}": image for image in images})
    return flat


def joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


def differ(first, second, name):
    return not np.array_equal(joined(first)[name], joined(second)[name])


# --- a function of seed and position ------------------------------------------------------------

AUGMENTED = {"load_side_ratio": 1.25, "horizontal_flip": True, "augmentation_shape": (3, 2, 7)}


def test_same_seed_gives_the_same_batches():
    for one, other in zip(
        batches(3, changes=AUGMENTED), batches(3, changes=AUGMENTED), strict=True
    ):
        assert_same(one, other)


@pytest.mark.parametrize("name", ["class_ids", "noise", "condition_noise"])
def test_another_seed_gives_other_batches(name):
    assert differ(batches(3), batches(3, changes={"seed": 5}), name)


@pytest.mark.parametrize("first_step", [1, 4, 7])
def test_starting_at_a_step_gives_what_skipping_to_it_gives(first_step):
    skipped = batches(first_step + 2, changes=AUGMENTED)[first_step:]
    started = batches(2, first_step=first_step, changes=AUGMENTED)
    for one, other in zip(started, skipped, strict=True):
        assert_same(one, other)


def test_start_far_along_the_stream_is_possible():
    far = batches(1, first_step=3_000_000_000)[0]
    assert np.isfinite(far["noise"]).all()
    assert set(far["class_ids"].tolist()) <= set(range(COUNT))


def test_every_epoch_shows_all_pictures_once_in_another_order():
    stream = joined(batches(10))["class_ids"].reshape(4, COUNT)
    for epoch in stream:
        assert sorted(epoch) == list(range(COUNT))
    assert len({tuple(epoch) for epoch in stream}) == 4


def test_batches_run_on_over_the_end_of_an_epoch():
    whole = joined(batches(5, batch_size=4))
    assert_same(joined(batches(2, batch_size=10)), whole)


def test_groups_of_a_class_are_those_of_the_order():
    picture_set = PictureSet(
        captions=pictures().captions, class_ids=np.arange(COUNT) // 2, images=pictures().images
    )
    changes = {"pictures_per_class": 2}
    stream = joined(batches(3, picture_set=picture_set, changes=changes))["class_ids"]
    np.testing.assert_array_equal(stream[::2], stream[1::2])


def test_noise_of_a_picture_is_another_in_every_epoch():
    stream = joined(batches(5))
    rows = np.concatenate([stream["noise"], stream["condition_noise"]], axis=1)
    assert len(np.unique(rows.ravel())) == rows.size


def test_augmentation_noise_is_uniform_of_its_own_and_only_on_request():
    assert "augmentation_noise" not in batches(1)[0]
    stream = joined(batches(10, 20, changes=AUGMENTED))
    noise = stream["augmentation_noise"]
    assert noise.shape == (200, 3, 2, 7)
    assert noise.min() >= 0 and noise.max() < 1
    assert abs(noise.mean() - 0.5) < 5 / (12 * noise.size) ** 0.5
    assert len(np.unique(noise)) > 0.99 * noise.size
    for name, value in joined(
        batches(10, 20, changes=AUGMENTED | {"augmentation_shape": ()})
    ).items():
        np.testing.assert_array_equal(stream[name], value, name)  # no other noise is moved


def test_noise_is_standard_normal():
    noise = joined(batches(20, 20, changes={"noise_size": 50}))["noise"]
    assert abs(noise.mean()) < 5 / noise.size**0.5
    assert abs(noise.std() - 1) < 5 / (2 * noise.size) ** 0.5


def test_every_caption_of_a_picture_is_read():
    captions = tuple(WORDS[i % 3 :][:3] for i in range(COUNT))
    stream = joined(batches(60, 10, pictures(captions)))
    for i in range(COUNT):
        read = stream["ids"][stream["class_ids"] == i, 0]
        counts = np.bincount(read, minlength=9)[1 + i % 3 : 4 + i % 3]
        assert counts.sum() == 60
        assert counts.min() >= 8  # of 20 ± 3.7


# --- workers and replicas -----------------------------------------------------------------------


def test_batches_of_replicas_put_together_are_the_batch_of_one():
    whole = batches(3, batch_size=8, changes=AUGMENTED)
    parts = batches(12, batch_size=8, replicas=4, changes=AUGMENTED)
    assert all(len(part["lengths"]) == 2 for part in parts)
    for step, expected in enumerate(whole):
        assert_same(joined(parts[4 * step : 4 * step + 4]), expected)


def test_batches_of_workers_put_together_are_the_batch_of_one():
    arguments = {"batch_size": 8, "first_step": 2, "changes": AUGMENTED}
    whole = batches(3, **arguments)
    workers = [batches(3, **arguments, replicas=2, workers=2, worker=i) for i in range(2)]
    for step, expected in enumerate(whole):
        assert_same(joined([worker[step] for worker in workers]), expected)


def test_batches_of_workers_with_two_replicas_each_put_together_are_the_batch_of_one():
    whole = batches(2, batch_size=8)
    workers = [batches(4, batch_size=8, replicas=4, workers=2, worker=i) for i in range(2)]
    for step, expected in enumerate(whole):
        parts = [worker[2 * step + i] for worker in workers for i in range(2)]
        assert_same(joined(parts), expected)


# --- captions -----------------------------------------------------------------------------------


def test_captions_are_padded_to_the_words_asked_for():
    captions = tuple((" ".join(WORDS[: 1 + i % 4]),) for i in range(COUNT))
    for batch in batches(3, picture_set=pictures(captions)):
        assert batch["ids"].shape == (4, 5)
        for ids, length, i in zip(batch["ids"], batch["lengths"], batch["class_ids"], strict=True):
            assert length == 1 + i % 4
            assert ids.tolist() == [*range(1, length + 1), *[0] * (5 - length)]


def test_long_captions_keep_a_sorted_subset_and_short_ones_all():
    captions = tuple((" ".join(WORDS if i % 2 else WORDS[: 1 + i % 5]),) for i in range(COUNT))
    stream = joined(batches(30, 10, pictures(captions), {"max_words": 3}))
    kept = set()
    for ids, length, i in zip(stream["ids"], stream["lengths"], stream["class_ids"], strict=True):
        words = len(captions[i][0].split())
        assert length == min(words, 3)
        assert (ids[length:] == 0).all()
        if words > 3:
            assert (np.diff(ids[:length]) > 0).all()
            kept.add(tuple(ids))
        else:
            assert ids[:length].tolist() == list(range(1, length + 1))
    assert len(kept) > 30  # of 56 subsets, in 150 draws
    assert {word for ids in kept for word in ids} == set(range(1, 9))


def test_unknown_words_are_left_out():
    captions = tuple(("a zebra b",) for _ in range(COUNT))
    batch = batches(1, picture_set=pictures(captions))[0]
    assert batch["ids"].tolist() == [[1, 2, 0, 0, 0]] * 4
    assert batch["lengths"].tolist() == [2] * 4


def test_caption_without_a_known_word_is_refused_by_name():
    captions = (("a", "only zebras"), *[("a",)] * (COUNT - 1))
    with pytest.raises(UserError, match="the caption 'only zebras' has no known word"):
        batches(1, picture_set=pictures(captions))


# --- pictures -----------------------------------------------------------------------------------


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
