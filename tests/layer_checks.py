"""What every layer must be able to do, whatever it computes; used by test_layer_checks.py."""

import inspect
import json

import keras
import numpy as np
import tensorflow as tf


class _Holder(keras.Model):
    """A model around one layer, as only models save weights."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def call(self, inputs):
        return self.layer(*inputs)


def check_layer(
    cls,
    kwargs,
    inputs,
    *,
    folder,
    trainable_weights,
    non_trainable_weights=0,
    mixed_tolerance=0.05,
    xla_tolerance=1e-5,
):
    """Run a layer or model class through all that is expected of any.

    Args:
        cls: the class. kwargs: dict of constructor arguments; dropout, if any, must be 0.
        inputs: list of arrays (or nests of arrays), the positional arguments of `call`.
        folder: Path, an empty folder for files.
        trainable_weights, non_trainable_weights: int, how many variables there are.
        mixed_tolerance: float, largest error under mixed_bfloat16, relative to the largest value.
        xla_tolerance: float, the same between XLA and eager, gradients included.
    Raises: AssertionError: where the layer falls short.
    """
    layer = cls(**kwargs)
    layer(*inputs)
    assert len(layer.trainable_weights) == trainable_weights
    assert len(layer.non_trainable_weights) == non_trainable_weights
    _move_weights(layer)
    _check_config(layer, inputs)
    _check_shapes(layer, inputs)
    _check_files(layer, inputs, folder)
    _check_checkpoint(layer, inputs, folder)
    _check_mixed_precision(cls, kwargs, layer, inputs, mixed_tolerance)
    _check_runs_compiled(layer, inputs, xla_tolerance)


def _move_weights(layer):
    """Take every weight away from its initial value, so that one that isn't restored shows."""
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(weight + rng.uniform(0.02, 0.2, weight.shape).astype("float32"))


def _flat(outputs):
    return [np.asarray(tf.cast(x, tf.float32)) for x in tf.nest.flatten(outputs)]


def _twin(layer, inputs):
    """A layer of the same config with other values in its weights."""
    twin = type(layer).from_config(layer.get_config())
    twin(*inputs)
    return twin


def _assert_same_weights(actual, expected):
    assert len(actual.weights) == len(expected.weights)
    for ours, theirs in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=theirs.path)


def _check_config(layer, inputs):
    config = layer.get_config()
    assert json.loads(json.dumps(config)) == config, "the config isn't plain JSON"
    twin = _twin(layer, inputs)
    assert twin.get_config() == config
    assert [w.shape for w in twin.weights] == [w.shape for w in layer.weights]
    revived = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(revived) is type(layer), "the class isn't registered for saving"


def _check_shapes(layer, inputs):
    """`compute_output_shape` and a symbolic call with an unknown batch agree with eager."""
    outputs = layer(*inputs)
    eager = [tuple(x.shape) for x in tf.nest.flatten(outputs)]
    shapes = tf.nest.map_structure(lambda x: tuple(x.shape), inputs)
    if "compute_output_shape" in vars(type(layer)):
        computed = layer.compute_output_shape(*shapes)
        assert _flat_shapes(computed) == eager
    symbols = tf.nest.map_structure(lambda x: keras.Input(x.shape[1:], dtype=x.dtype), inputs)
    symbolic = [tuple(x.shape) for x in tf.nest.flatten(layer(*symbols))]
    assert symbolic == [(None, *shape[1:]) for shape in eager]


def _flat_shapes(nest):
    """Shapes are tuples as well: a leaf is what holds no other tuple."""
    if not any(isinstance(part, tuple) for part in nest):
        return [tuple(nest)]
    return [shape for part in nest for shape in _flat_shapes(part)]


def _check_files(layer, inputs, folder):
    twin = _Holder(_twin(layer, inputs))
    model = _Holder(layer)
    model(inputs)
    twin(inputs)
    path = str(folder / "layer.weights.h5")
    model.save_weights(path)
    twin.load_weights(path)
    for actual, expected in zip(_flat(twin(inputs)), _flat(model(inputs)), strict=True):
        np.testing.assert_array_equal(actual, expected)
    _assert_same_weights(twin, model)


def _check_checkpoint(layer, inputs, folder):
    """Keras 3 hides layers in lists and dicts from tf.train.Checkpoint, without a word."""
    twin = _twin(layer, inputs)
    path = tf.train.Checkpoint(layer=layer).save(str(folder / "checkpoint"))
    tf.train.Checkpoint(layer=twin).restore(path)
    _assert_same_weights(twin, layer)


def _check_mixed_precision(cls, kwargs, layer, inputs, tolerance):
    mixed = cls(**kwargs | {"dtype": "mixed_bfloat16"})
    mixed(*inputs)
    assert {weight.dtype for weight in mixed.weights} <= {"float32"}
    mixed.set_weights(layer.get_weights())
    expected_outputs = _flat(layer(*inputs))
    for actual, expected in zip(_flat(mixed(*inputs)), expected_outputs, strict=True):
        assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()
    outputs, gradients = _outputs_and_gradients(mixed, inputs)
    assert all(np.isfinite(x).all() for x in _flat(outputs) + _flat(gradients))
    # A float32 layer stays one under another global policy: no sublayer was left to choose.
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        single = cls(**kwargs | {"dtype": "float32"})
        single(*inputs)
        single.set_weights(layer.get_weights())
        for actual, expected in zip(_flat(single(*inputs)), expected_outputs, strict=True):
            np.testing.assert_array_equal(actual, expected)
    finally:
        keras.config.set_dtype_policy(before)


def _takes_mode(layer):
    return "training" in inspect.signature(layer.call).parameters


def _check_runs_compiled(layer, inputs, tolerance):
    """Outputs, gradients and updated statistics of a training call, under XLA as in eager."""
    start = layer.get_weights()

    def step():
        return _outputs_and_gradients(layer, inputs)

    outputs, gradients = step()
    assert all(np.isfinite(x).all() for x in _flat(outputs))
    moved = layer.get_weights()
    layer.set_weights(start)
    compiled, compiled_gradients = tf.function(step, jit_compile=True)()
    for actual, expected in zip(_flat(compiled), _flat(outputs), strict=True):
        _assert_close(actual, expected, tolerance)
    for actual, expected in zip(layer.get_weights(), moved, strict=True):
        _assert_close(actual, expected, tolerance)
    for weight, actual, expected in zip(
        layer.trainable_weights, compiled_gradients, gradients, strict=True
    ):
        assert np.abs(expected).max() > 0, f"{weight.path} gets no gradient"
        _assert_close(actual, expected, tolerance, weight.path)


def _outputs_and_gradients(layer, inputs):
    """Of a training call, by the gradient of a sum of all outputs with fixed coefficients."""
    rng = np.random.default_rng(2)  # a plain sum of a softmax would have no gradient
    with tf.GradientTape() as tape:
        outputs = layer(*inputs, training=True) if _takes_mode(layer) else layer(*inputs)
        terms = [
            tf.reduce_sum(tf.cast(x, tf.float32) * rng.normal(size=x.shape).astype("float32"))
            for x in tf.nest.flatten(outputs)
        ]
        total = tf.add_n(terms)
    gradients = tape.gradient(total, [w.value for w in layer.trainable_weights])
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=True):
        assert gradient is not None, f"{weight.path} gets no gradient"
    return outputs, [tf.convert_to_tensor(gradient) for gradient in gradients]  # dense ones


def _assert_close(actual, expected, tolerance, name=""):
    atol = tolerance * float(np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=atol, err_msg=name)
