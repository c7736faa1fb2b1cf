"""Writes tfa.npz: what tensorflow-addons computes, for tests to hold this project to.

    make tfa-oracle

Runs in an environment of its own (requirements.txt): tensorflow-addons ended in May 2024 and can't
be imported beside the TensorFlow of this project. The same bytes every time.
"""

import os
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

KERNELS = {"down": (4, 4, 3, 8), "narrow": (3, 3, 10, 4)}
CALLS = 5
STEPS, RATE, DECAY = 8, 0.1, 0.9


def spectral_norm(name, shape, rng):
    """Training calls of a convolution, one after the other, with the kernel left as TFA leaves it.

    sigma: what each call has divided the kernel by. gradient: of Σ coefficients · output, as TFA
    gives it in the last call.
    """
    kernel, u = rng.normal(size=shape), rng.normal(size=(1, shape[-1]))
    images = rng.normal(size=(2, 8, 8, shape[2])).astype(np.float32)
    strides = 2 if shape[0] == 4 else 1
    conv = tf.keras.layers.Conv2D(shape[-1], shape[:2], strides=strides, padding="same")
    layer = tfa.layers.SpectralNormalization(conv)
    layer.build(images.shape)
    conv.kernel.assign(kernel)
    layer.u.assign(u)
    coefficients = rng.normal(size=conv.compute_output_shape(images.shape)).astype(np.float32)
    found = {"sigma": [], "normalised": [], "u_after": [], "output": []}
    for _ in range(CALLS):
        before = conv.kernel.numpy().astype(np.float64)
        with tf.GradientTape() as tape:
            output = layer(images, training=True)
            total = tf.reduce_sum(output * coefficients)
        after = conv.kernel.numpy()
        found["sigma"].append(np.linalg.norm(before) / np.linalg.norm(after.astype(np.float64)))
        found["normalised"].append(after)
        found["u_after"].append(layer.u.numpy()[0])
        found["output"].append(output.numpy())
    found |= {"kernel": kernel, "u": u[0], "images": images, "coefficients": coefficients}
    found["gradient"] = tape.gradient(total, conv.kernel).numpy()
    return {f"spectral_norm/{name}/{key}": np.float32(value) for key, value in found.items()}


def moving_average(dynamic, rng):
    """Averages of a variable after each step of gradient descent; the first is where it begins."""
    start, gradients = rng.normal(size=6), rng.normal(size=(STEPS, 6)).astype(np.float32)
    variable = tf.Variable(start, dtype=tf.float32)
    optimizer = tfa.optimizers.MovingAverage(
        tf.keras.optimizers.legacy.SGD(RATE), average_decay=DECAY, dynamic_decay=dynamic
    )
    variables, averages = [variable.numpy()], [variable.numpy()]
    for gradient in gradients:
        optimizer.apply_gradients([(gradient, variable)])
        variables.append(variable.numpy())
        averages.append(optimizer.get_slot(variable, "average").numpy())
    name = "moving_average/" + ("warm_up" if dynamic else "constant")
    return {
        f"{name}/decay": np.float32(DECAY),
        f"{name}/variables": np.array(variables),
        f"{name}/averages": np.array(averages),
    }


def main():
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in KERNELS.items():
        arrays |= spectral_norm(name, shape, rng)
    for dynamic in (False, True):
        arrays |= moving_average(dynamic, rng)
    np.savez_compressed(Path(__file__).with_name("tfa.npz"), **arrays)


if __name__ == "__main__":
    main()
