"""Image encoders: oracles and properties; `tests/parity` holds Inception to the authors' values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.models.image_encoder import (
    CompactEncoder,
    EfficientNetLite0Encoder,
    EfficientNetLite2Encoder,
    InceptionV3Encoder,
)
from dmgan_tf.models.inception_v3 import InceptionV3Backbone, average_pool_counting_padding


def random_images(batch, side, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (batch, side, side, 3)).astype("float32")


# --- Inception v3 -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inception_encoder():
    encoder = InceptionV3Encoder(8)
    encoder.build()
    return encoder


@pytest.fixture(scope="module")
def efficient_encoder():
    encoder = EfficientNetLite2Encoder(8)
    encoder.build()
    return encoder


@pytest.fixture(scope="module")
def small_encoder():
    encoder = EfficientNetLite0Encoder(8)
    encoder.build()
    return encoder


@pytest.fixture(params=["inception_encoder", "efficient_encoder", "small_encoder"])
def frozen_encoder(request):
    return request.getfixturevalue(request.param)


def test_regions_and_code_have_one_size_for_all_pictures(frozen_encoder):
    side = 8 if frozen_encoder.input_side == 128 else 17
    for pictures_side in (32, 64):
        regions, code = frozen_encoder(random_images(1, pictures_side))
        assert regions.shape == (1, side**2, 8) and code.shape == (1, 8)


def test_average_pool_counts_the_padding():
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype("float32")
    expected = np.zeros_like(x)
    for b, row, column, c in np.ndindex(*x.shape):
        window = x[b, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2, c]
        expected[b, row, column, c] = window.sum() / 9
    np.testing.assert_allclose(average_pool_counting_padding(x), expected, rtol=1e-5, atol=1e-6)


def test_backbone_has_the_parameters_of_inception_v3(inception_encoder):
    # 23,834,568 of torchvision's without auxiliary head, less 2,049,000 of its classifier.
    shapes = [
        weight.shape
        for unit in inception_encoder.backbone.conv_units.values()
        for weight in (unit.conv.kernel, unit.bn.gamma, unit.bn.beta)
    ]
    assert sum(int(np.prod(shape)) for shape in shapes) == 21_785_568


def test_only_the_embeddings_learn(frozen_encoder):
    names = [weight.path.split("/", 1)[1] for weight in frozen_encoder.trainable_weights]
    assert names == ["region_embedding/kernel", "code_embedding/kernel", "code_embedding/bias"]


def test_backbone_stays_frozen_when_the_encoder_is_thawed(frozen_encoder):
    frozen_encoder.trainable = False
    assert not frozen_encoder.trainable_weights
    frozen_encoder.trainable = True
    assert len(frozen_encoder.trainable_weights) == 3


def test_embeddings_start_within_a_tenth(frozen_encoder):
    for layer in (frozen_encoder.region_embedding, frozen_encoder.code_embedding):
        largest = np.abs(layer.kernel.numpy()).max()
        assert 0.09 < largest <= 0.1


def test_training_mode_changes_nothing_and_images_get_a_gradient(frozen_encoder):
    images = tf.constant(random_images(1, 64))
    with tf.GradientTape() as tape:
        tape.watch(images)
        regions, code = frozen_encoder(images, training=True)
        total = tf.reduce_sum(regions) + tf.reduce_sum(code)
    gradient = tape.gradient(total, images).numpy()
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    np.testing.assert_array_equal(code, frozen_encoder(images)[1])


def test_frozen_encoder_round_trips_config_and_weights(frozen_encoder, tmp_path):
    copy = type(frozen_encoder).from_config(frozen_encoder.get_config())
    assert copy.get_config() == frozen_encoder.get_config()
    path = str(tmp_path / "encoder.weights.h5")
    frozen_encoder.save_weights(path)
    copy.build()
    copy.load_weights(path)
    for theirs, ours in zip(frozen_encoder.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(theirs.numpy(), ours.numpy())


def checkpointed_weight_count(model, folder):
    path = tf.train.Checkpoint(model=model).save(str(folder / "checkpoint"))
    return sum(name.startswith("model/") for name, _ in tf.train.list_variables(path))


def test_checkpoints_hold_every_weight(frozen_encoder, tmp_path):
    compact = CompactEncoder(4)
    compact.build()
    for encoder in (frozen_encoder, compact):
        assert checkpointed_weight_count(encoder, tmp_path) == len(encoder.weights)


def test_inception_keeps_float32_outputs_under_mixed_precision():
    encoder = InceptionV3Encoder(4, dtype="mixed_bfloat16")
    regions, code = encoder(random_images(1, 32))
    assert regions.dtype == code.dtype == tf.float32
    assert encoder.backbone.conv_units["Mixed_5b.branch1x1"].conv.compute_dtype == "bfloat16"


def test_backbone_refuses_other_sides():
    with pytest.raises(ValueError, match=r"must have the shape \[B, 299, 299, 3\]"):
        InceptionV3Backbone()(random_images(1, 64))


def test_maps_are_those_that_regions_and_code_come_from(small_encoder):
    encoder = small_encoder
    images = random_images(2, 32)
    (regions, code), maps = encoder.with_maps(images)
    assert [(m.shape[1], m.shape[3]) for m in maps] == list(encoder.map_shapes)
    for found, again in zip(maps, encoder.feature_maps(images), strict=True):
        np.testing.assert_array_equal(found, again)
    for found, called in zip((regions, code), encoder(images), strict=True):
        np.testing.assert_array_equal(found, called)
    inner = encoder.backbone.maps(encoder._resized(images))
    for found, undivided in zip(maps, inner, strict=True):
        np.testing.assert_allclose(found, undivided / 12, rtol=1e-6)
    last = encoder.region_embedding(inner[-1])
    np.testing.assert_array_equal(regions, tf.reshape(last, regions.shape))


def test_the_smallest_encoder_has_maps_for_discriminators(small_encoder):
    assert small_encoder.map_shapes == ((64, 16), (32, 24), (16, 40), (8, 80), (8, 112))


def test_no_pixel_of_a_larger_picture_is_overlooked(small_encoder):
    images = tf.constant(random_images(1, 256))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(small_encoder.feature_maps(images)[0])
    gradient = np.abs(tape.gradient(total, images).numpy()[0]).sum(-1)
    blocks = gradient.reshape(128, 2, 128, 2)
    np.testing.assert_allclose(blocks[:, 0, :, 0], blocks[:, 1, :, 1], rtol=1e-4)


# --- compact encoder --------------------------------------------------------------------------


@pytest.mark.parametrize("side", [32, 64, 96, 128])
def test_compact_encoder_takes_any_side(side):
    regions, code = CompactEncoder(12)(random_images(2, side))
    assert regions.shape == (2, 64, 12)
    assert code.shape == (2, 12)


def test_compact_encoder_averages_larger_images_down():
    encoder = CompactEncoder(4)
    images = random_images(2, 64)
    enlarged = images.repeat(2, axis=1).repeat(2, axis=2)
    for small, large in zip(encoder(images), encoder(enlarged), strict=True):
        np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-5)


def test_compact_regions_run_row_by_row():
    encoder = CompactEncoder(4)
    images = np.zeros((1, 64, 64, 3), "float32")
    plain = encoder(images)[0].numpy()
    images[0, 16:24, 40:48] = 1.0  # the region in row 2, column 5
    change = np.abs(encoder(images)[0].numpy() - plain).sum(-1).reshape(8, 8)
    rows, columns = change.sum(1), change.sum(0)
    middle = [np.arange(8) @ part / part.sum() for part in (rows, columns)]
    np.testing.assert_allclose(middle, [2, 5], atol=0.5)


def test_compact_code_knows_where_things_are():
    encoder = CompactEncoder(4)
    images = random_images(1, 64)
    mirrored = images[:, :, ::-1]
    assert np.abs(encoder(images)[1] - encoder(mirrored)[1]).max() > 1e-3


def test_all_of_the_compact_encoder_learns():
    encoder = CompactEncoder(4, widths=(4, 4, 6, 6, 8), input_side=32)
    images = random_images(3, 32)
    with tf.GradientTape() as tape:
        regions, code = encoder(images, training=True)
        total = tf.reduce_sum(regions**2) + tf.reduce_sum(code**2)
    gradients = tape.gradient(total, encoder.trainable_weights)
    assert len(gradients) == 5 * 3 + 3
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_compact_encoder_compiles_with_xla():
    encoder = CompactEncoder(4, widths=(4, 4, 6, 6, 8), input_side=32)
    images = tf.constant(random_images(2, 24))
    encoder.build()

    @tf.function(jit_compile=True)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(encoder(x)[0] ** 2)
        return tape.gradient(total, x)

    np.testing.assert_allclose(
        gradient(images), gradient.python_function(images), rtol=1e-3, atol=1e-5
    )


def test_compact_round_trips_config_and_file(tmp_path):
    encoder = CompactEncoder(4, widths=(4, 4, 6, 6, 8), input_side=32)
    images = random_images(2, 32)
    expected = encoder(images)
    path = str(tmp_path / "encoder.keras")
    encoder.save(path)
    copy = keras.saving.load_model(path)
    assert copy.get_config() == encoder.get_config()
    for ours, theirs in zip(copy(images), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_compact_encoder_exports_when_built_without_a_shape(tmp_path):
    encoder = CompactEncoder(4, widths=(4, 4, 6, 6, 8), input_side=32)
    encoder.build(None)
    encoder.export(str(tmp_path), input_signature=[tf.TensorSpec([None, 32, 32, 3])], verbose=False)
    images = random_images(3, 32)
    exported = tf.saved_model.load(str(tmp_path))
    for ours, theirs in zip(exported.serve(images), encoder(images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_compact_encoder_keeps_float32_outputs_under_mixed_precision():
    encoder = CompactEncoder(4, dtype="mixed_bfloat16")
    regions, code = encoder(random_images(1, 64))
    assert regions.dtype == code.dtype == tf.float32
    assert encoder.convs[0].compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feature_size": 0}, r"`feature_size` must be at least 1. Received: feature_size=0"),
        ({"widths": (8, 8)}, r"`widths` must be five positive ints. Received: widths=\(8, 8\)"),
        ({"input_side": 40}, r"`input_side` must be a multiple of 16. Received: input_side=40"),
    ],
)
def test_compact_encoder_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CompactEncoder(**{"feature_size": 4, **arguments})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 64, 32, 3), "float32"), "must be square"),
        (np.zeros((1, 64, 64, 1), "float32"), "must be square"),
        (np.zeros((1, 64, 64, 3), "uint8"), "must be float"),
    ],
)
def test_encoders_refuse_bad_images(inception_encoder, images, message):
    for encoder in (inception_encoder, CompactEncoder(4)):
        with pytest.raises(ValueError, match=message):
            encoder(images)
