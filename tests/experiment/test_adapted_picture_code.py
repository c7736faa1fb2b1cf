"""The picture code that a config asks for, of a training set."""

import numpy as np
import pytest
from command_lines import TINY

from dmgan_tf import build
from dmgan_tf.build_data import sample_pictures
from dmgan_tf.config_file import load_config
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.gan import adapted_picture_code


def config(*changes):
    return load_config(TINY[1], changes)


def test_none_is_made_unless_it_is_asked_for():
    assert adapted_picture_code(config("training.picture_code_size=0"), None) is None


def test_code_of_a_set_tells_its_pictures_apart():
    settings = config()
    pictures = build.pictures(settings, "train")
    code = adapted_picture_code(settings, pictures)
    found = code(sample_pictures(settings, pictures).astype("float32") / 127.5 - 1).numpy()
    np.testing.assert_allclose(found.std(axis=0), 1, rtol=1e-3)


def test_every_second_picture_is_mirrored_where_training_mirrors():
    pictures = build.pictures(config(), "train")
    plain, mirrored = (
        sample_pictures(config(f"data.horizontal_flip={flip}"), pictures)
        for flip in ("false", "true")
    )
    np.testing.assert_array_equal(mirrored[::2], plain[::2])
    np.testing.assert_array_equal(mirrored[1::2], plain[1::2, :, ::-1])
    assert (mirrored != plain).any()


def test_pictures_that_are_alike_are_refused_with_the_key():
    alike = PictureSet(
        captions=[["a bird"]] * 5, class_ids=np.arange(5), images=np.zeros((5, 16, 16, 3), np.uint8)
    )
    told = r"^`training\.picture_code_size`: 5 pictures that hardly differ .*Set it lower\.$"
    with pytest.raises(UserError, match=told):
        adapted_picture_code(config(), alike)
