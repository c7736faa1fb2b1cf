"""What a picture looks like from afar, in a few numbers, and the noise that stands for it."""

import keras
import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

_SIDE = 4  # of the copy that the code is made from, pixels
_REFERENCES = 1000  # codes that have a noise


@keras.saving.register_keras_serializable("dmgan_tf")
class PictureCode(keras.layers.Layer):
    """The leading principal components of a 4×4 copy of a picture, with mean 0 and variance 1.

    e(x) = (x̄ − μ) V Λ^−½: x̄ the means of the picture's 16 parts, μ their mean over the pictures
    that `adapt` saw, V and Λ the leading eigenvectors and eigenvalues of their covariance.

    Each code has a noise n(e): a thousand normal values are assigned to a thousand codes with the
    least sum of squared distances, and e takes the value of the code that is nearest. So noise is
    normal, as a generator will meet it, also where the codes form clusters. A generator that must
    draw e(x) from n(e(x)) learns which noise stands for which kind of picture (after the
    conditional VAE of BicycleGAN, Zhu et al., 2017, arXiv:1711.11586; here the encoder is not
    learned).

    Args: size: int > 0, numbers of a code.
    Inputs: images: float [B, side, side, 3] in [−1, 1], side a multiple of 4.
    Returns: float32 [B, size].
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.size = size

    def build(self, images_shape=None):
        values = _SIDE * _SIDE * (images_shape[-1] if images_shape else 3)
        options = {"initializer": "zeros", "trainable": False}
        pairs = (_REFERENCES, self.size)
        self.mean = self.add_weight(name="mean", shape=(values,), **options)
        self.components = self.add_weight(name="components", shape=(values, self.size), **options)
        self.codes = self.add_weight(name="codes", shape=pairs, **options)
        self.noises = self.add_weight(name="noises", shape=pairs, **options)
        self.built = True

    def adapt(self, images):
        """Takes μ, V, Λ and the codes with their noises from pictures.

        Args: images: uint8 [N, side, side, 3]; the first thousand are used.
        Raises: ValueError: where they differ in fewer directions than a code has numbers.
        """
        if not self.built:
            self.build()
        images = tf.constant(images[:_REFERENCES], tf.float32) / 127.5 - 1.0
        flat = _small(images).numpy().astype(np.float64)
        mean = flat.mean(axis=0)
        _, deviations, directions = np.linalg.svd(flat - mean, full_matrices=False)
        deviations = deviations[: self.size] / np.sqrt(len(flat))
        if len(deviations) < self.size or deviations[-1] < 1e-3:
            raise ValueError(
                f"{len(flat)} pictures that hardly differ have no code of {self.size} numbers."
            )
        components = directions[: self.size].T / deviations
        # An eigenvector's sign is the processor's choice.
        largest = np.abs(components).argmax(axis=0)
        components *= np.sign(components[largest, np.arange(self.size)])
        codes = np.resize((flat - mean) @ components, (_REFERENCES, self.size))  # repeats them
        noises = np.random.default_rng(0).normal(size=codes.shape)
        chosen = linear_sum_assignment(cdist(codes, noises, "sqeuclidean"))[1]
        for weight, value in zip(
            self.weights, (mean, components, codes, noises[chosen]), strict=True
        ):
            weight.assign(value)

    def call(self, images):
        return tf.matmul(_small(tf.cast(images, tf.float32)) - self.mean, self.components)

    def noise_of(self, code):
        """n(code), float32 [B, size], of a code of this shape."""
        distances = tf.reduce_sum(tf.square(code[:, tf.newaxis] - self.codes), axis=2)
        return tf.gather(self.noises, tf.argmin(distances, axis=1))

    def with_code_noise(self, batch, chance):
        """The batch, with the noise of half the samples beginning with that of their real picture.

        Args: batch: dict of images and noise, as DMGANTrainer takes it. chance: float [B], uniform
            in [0, 1): below ½ the sample is chosen.
        Returns: the same with another `noise`, and with `code` (float32 [B, size]) and `has_code`
            (float32 [B], 1 where the noise is that of the code).
        """
        code, noise = self(batch["images"][-1]), batch["noise"]
        chosen = chance < 0.5
        own = tf.concat([tf.cast(self.noise_of(code), noise.dtype), noise[:, self.size :]], axis=1)
        noise = tf.where(chosen[:, tf.newaxis], own, noise)
        return {**batch, "noise": noise, "code": code, "has_code": tf.cast(chosen, tf.float32)}

    def code_error(self, drawn, batch):
        """Squared distance of drawn pictures' codes from the real ones; 0 where noise has none.

        has_code · 1/K ‖e(drawn) − e(real)‖²

        Args: drawn: float [B, side, side, 3]. batch: of `with_code_noise`. Returns: float32 [B].
        """
        squares = tf.square(self(drawn) - batch["code"])
        return batch["has_code"] * tf.reduce_mean(squares, axis=1)

    def compute_output_shape(self, images_shape):
        return (images_shape[0], self.size)

    def get_config(self):
        return super().get_config() | {"size": self.size}


def _small(images):
    """[B, side, side, C] as the means of 4×4 parts, [B, 16·C]."""
    side = images.shape[1]
    if side % _SIDE:
        raise ValueError(f"The side of pictures must be a multiple of {_SIDE}. Received: {side}.")
    means = tf.nn.avg_pool2d(images, side // _SIDE, side // _SIDE, "VALID")
    return tf.reshape(means, [-1, _SIDE * _SIDE * images.shape[3]])
