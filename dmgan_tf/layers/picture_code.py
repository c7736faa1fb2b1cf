"""What a picture looks like from afar, in a few numbers, and the noise that stands for it."""

import keras
import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment

from dmgan_tf.errors import UserError

_SIDE = 4  # of the copy that the code is made from, pixels
_REFERENCES = 1000  # pictures whose codes have a noise


@keras.saving.register_keras_serializable("dmgan_tf")
class PictureCode(keras.layers.Layer):
    """The leading principal components of a 4×4 copy of a picture, with mean 0 and variance 1.

    e(x) = (x̄ − μ) V Λ^−½: x̄ the means of the picture's 16 parts, μ their mean over the pictures
    that `adapt` saw, V and Λ the leading eigenvectors and eigenvalues of their covariance.

    Each code has a noise, n(e): of as many normal values as pictures, the one that the assignment
    of least squared distance gives to the nearest picture. So noises are distributed as a
    generator will meet them, however codes may cluster. A generator that must draw e(x) from
    n(e(x)) learns what noise is for and loses no kind of picture (after the conditional VAE of
    BicycleGAN, Zhu et al., 2017, arXiv:1711.11586; here the encoder is not learned).

    Args: size: int > 0, numbers of a code.
    Inputs: images: float [B, side, side, 3] in [−1, 1], side a multiple of 4.
    Returns: float32 [B, size].
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.size = size

    def build(self, images_shape=None):
        values = _SIDE * _SIDE * 3
        options = {"initializer": "zeros", "trainable": False}
        self.mean = self.add_weight(name="mean", shape=(values,), **options)
        self.components = self.add_weight(name="components", shape=(values, self.size), **options)
        pairs = (_REFERENCES, self.size)
        self.codes = self.add_weight(name="codes", shape=pairs, **options)
        self.noises = self.add_weight(name="noises", shape=pairs, **options)
        self.built = True

    def adapt(self, images):
        """Takes μ, V, Λ and the codes with their noises from pictures.

        Args: images: uint8 [N, side, side, 3]; the first thousand are used.
        Raises: UserError: where they differ in fewer directions than a code has numbers.
        """
        images = tf.constant(images[:_REFERENCES], tf.float32) / 127.5 - 1.0
        flat = _small(images).numpy().astype(np.float64)
        mean = flat.mean(axis=0)
        _, deviations, directions = np.linalg.svd(flat - mean, full_matrices=False)
        deviations = deviations[: self.size] / np.sqrt(len(flat))
        if len(deviations) < self.size or deviations[-1] < 1e-3:
            raise UserError(
                f"`training.picture_code_size` is {self.size}, but the {len(flat)} training "
                "pictures that were looked at differ too little for so many numbers. Set it lower."
            )
        components = directions[: self.size].T / deviations
        # An eigenvector's sign is the processor's choice; workers must agree.
        largest = np.abs(components).argmax(axis=0)
        components *= np.sign(components[largest, np.arange(self.size)])
        self.mean.assign(mean)
        self.components.assign(components)
        codes = np.resize((flat - mean) @ components, (_REFERENCES, self.size))  # repeats them
        noises = np.random.default_rng(0).normal(size=codes.shape)
        distances = np.square(codes[:, None] - noises).sum(axis=2)
        self.codes.assign(codes)
        self.noises.assign(noises[linear_sum_assignment(distances)[1]])

    def call(self, images):
        return tf.matmul(_small(tf.cast(images, tf.float32)) - self.mean, self.components)

    def noise_of(self, code):
        """n(code): float32 [B, size] of the same."""
        distances = tf.reduce_sum(tf.square(code[:, tf.newaxis] - self.codes), axis=2)
        return tf.gather(self.noises, tf.argmin(distances, axis=1))

    def put_into_noise(self, batch):
        """The batch with half the samples' first noise values those of their real pictures.

        Args: batch: dict of images, noise and code_noise, as DMGANTrainer takes it.
        Returns: the same with another `noise`, and with `code` (float32 [B, size]) and `coded`
            (float32 [B], 1 where the noise is that of the code).
        """
        code, noise = self(batch["images"][-1]), batch["noise"]
        coded = batch["code_noise"] < 0.5
        own = tf.concat([tf.cast(self.noise_of(code), noise.dtype), noise[:, self.size :]], axis=1)
        noise = tf.where(coded[:, tf.newaxis], own, noise)
        return {**batch, "noise": noise, "code": code, "coded": tf.cast(coded, tf.float32)}

    def error(self, drawn, batch):
        """Squared distance of drawn pictures' codes from the real ones; 0 where noise has none.

        coded · 1/K ‖e(drawn) − e(real)‖²

        Args: drawn: float [B, side, side, 3]. batch: of `put_into_noise`. Returns: float32 [B].
        """
        squares = tf.square(self(drawn) - batch["code"])
        return batch["coded"] * tf.reduce_mean(squares, axis=1)

    def compute_output_shape(self, images_shape):
        return (images_shape[0], self.size)

    def get_config(self):
        return super().get_config() | {"size": self.size}


def _small(images):
    """[B, side, side, C] as the means of 4×4 parts, [B, 16·C]."""
    part = images.shape[1] // _SIDE
    means = tf.nn.avg_pool2d(images, part, part, "VALID")
    return tf.reshape(means, [-1, _SIDE * _SIDE * images.shape[3]])
