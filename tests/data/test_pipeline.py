"""The input pipeline: what training sees depends on seed and position, and on nothing else."""

import numpy as np
import pytest
from small_pictures_set import (
    AUGMENTED,
    COUNT,
    WORDS,
    assert_same,
    batches,
    differ,
    joined,
    pictures,
)

from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.errors import UserError

# --- a function of seed and position ------------------------------------------------------------


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
