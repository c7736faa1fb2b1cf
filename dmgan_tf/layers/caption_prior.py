"""What a caption leaves open, drawn from noise."""

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.layers.sentence_density import COMPONENTS, gate, held_out, learn_density

_LEAST_SHARE = 0.1  # of the largest
_RIDGES = np.logspace(-8, 2, 21)  # of the greatest eigenvalue


@keras.saving.register_keras_serializable("dmgan_tf")
class CaptionPrior(keras.layers.Layer):
    """Completes a sentence's feature by what its caption does not tell, such as the surroundings.

    DAMSM's code v of a picture and the feature s of its sentence lie in one space. A s + b is the
    best linear guess of κ v from s, U the leading eigenvectors and Λ the eigenvalues of the
    covariance of what it leaves. What a picture shows beyond its caption is

        r(s, v) = U Uᵀ (κ v − A s − b)

    and in training sentences are s + r(s, v). Without a picture, r comes from noise z:

        r(s, z) = U Λ^½ e,  e ~ p(e | s) = Σ π_m(s) N(μ_m + B s, σ_m²),  π(s) = softmax(C s + c)

    with the density of `sentence_density.py`, without components whose weight π_m is less than a
    tenth of the largest.

    A generator that learned to draw s + r(s, v) then draws every kind of picture that a caption
    allows, as often as there are pictures of it (after the prior of unCLIP, Ramesh et al., 2022,
    arXiv:2204.06125). κ makes v as long as s.

    The noise is the generator's own, so e and what the initial stage makes of the same values
    depend on each other when it draws. In training they do not.

    Its numbers are float32 and are not trained with the generator: `adapt` finds them. Before it
    has, r is 0.

    Args: size: int > 0, columns of U.
    Inputs: sentence_feature: float [B, D]; noise: float [B, ≥ size + 1], normal.
    Returns: s + r(s, z), float32 [B, D].
    Raises: ValueError: when `size` is not positive, or there is less noise than that.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32", "trainable": False})
        if size < 1:
            raise ValueError(f"`size` must be positive. Received: size={size}.")
        self.size = size

    def build(self, sentence_feature_shape, noise_shape=None):
        features = sentence_feature_shape[-1]

        def weight(name, *shape):
            return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)

        self.scale = weight("scale")
        self.guess_kernel = weight("guess_kernel", features, features)
        self.guess_bias = weight("guess_bias", features)
        self.directions = weight("directions", features, self.size)
        self.deviations = weight("deviations", self.size)
        self.share_kernel = weight("share_kernel", features, COMPONENTS)
        self.share_bias = weight("share_bias", COMPONENTS)
        self.shift_kernel = weight("shift_kernel", features, self.size)
        self.means = weight("means", COMPONENTS, self.size)
        self.log_deviations = weight("log_deviations", COMPONENTS, self.size)
        self.built = True

    @property
    def density(self):
        """C, c, B, μ and log σ of p(e | s)."""
        kernels = self.share_kernel, self.share_bias, self.shift_kernel
        return *kernels, self.means, self.log_deviations

    def adapt(self, image_codes, sentence_features):
        """Learns κ, A, b, U, Λ and p(e | s) from pictures and their captions.

        A is that of ridge regression. Held-out pictures decide on its strength, so each picture
        must stand there once.

        Args: image_codes: float [N, D], N ≥ 2; sentence_features: float [N, C, D], of C captions
            of each, or [N, D]; both of DAMSM's encoders.
        Returns: the share of the variance that captions leave open which the directions hold.
        Raises: ValueError: with fewer than two pictures, where what captions leave open has fewer
            directions than `size`, or where a number is not finite.
        """
        v, s, captions = _pairs(image_codes, sentence_features)
        length = np.linalg.norm(s, axis=1).mean()
        scale = length / max(np.linalg.norm(v, axis=1).mean(), 1e-12)
        v *= scale
        v_mean, s_mean = v.mean(axis=0), s.mean(axis=0)
        kernel = _ridge(s - s_mean, v - v_mean, held_out(len(image_codes), captions))
        rest = v - v_mean - (s - s_mean) @ kernel
        deviations, directions = _principal_components(rest, self.size)
        if len(deviations) < self.size or deviations[-1] <= 1e-4 * length:
            raise ValueError(
                f"what captions leave open in {len(image_codes):,} pictures has fewer than "
                f"{self.size} directions; ask for fewer."
            )
        if not self.built:
            self.build(s.shape)
        learned = scale, kernel, v_mean - s_mean @ kernel, directions, deviations
        for weight, value in zip(self.weights, learned, strict=False):
            weight.assign(value)
        self.adapt_density(image_codes, sentence_features)
        return np.square(deviations).sum() / rest.var(axis=0).sum()

    def adapt_density(self, image_codes, sentence_features):
        """Learns p(e | s) anew, for instance from other captions, for a trained generator.

        Args, Raises: as `adapt`, which must have been called once.
        """
        v, s, captions = _pairs(image_codes, sentence_features)
        kernel, directions = self.guess_kernel.numpy(), self.directions.numpy()
        inner = directions / self.deviations.numpy()  # U Λ^-½
        e = (self.scale.numpy() * v - s @ kernel - self.guess_bias.numpy()) @ inner
        for weight, value in zip(
            self.density, learn_density(s, e, -kernel @ inner, captions), strict=True
        ):
            weight.assign(value)

    @property
    def drawing_variables(self):
        """All variables that `call` reads; `untold` reads others."""
        return [self.directions, self.deviations, *self.density]

    def untold(self, sentence_feature, image_code):
        """r(s, v): what pictures show beyond a caption.

        Args: sentence_feature, image_code: float [B, D]. Returns: float32 [B, D].
        """
        s, v = tf.cast(sentence_feature, tf.float32), tf.cast(image_code, tf.float32)
        rest = self.scale * v - tf.matmul(s, self.guess_kernel) - self.guess_bias
        inner = tf.matmul(rest, self.directions)
        return tf.matmul(inner, self.directions, transpose_b=True)

    def call(self, sentence_feature, noise):
        if noise.shape[-1] <= self.size:
            raise ValueError(
                f"A prior of {self.size} numbers needs more than {self.size} noise values. "
                f"Received: {noise.shape[-1]}."
            )
        log_shares, shift = gate(sentence_feature, self.density)
        # Which component: uniform noise against the sums of the weights. Rare ones are left
        # out, or a seed near 0 or 1 would show them for nearly every sentence.
        shares = tf.exp(log_shares - tf.reduce_max(log_shares, axis=1, keepdims=True))
        shares = tf.where(shares < _LEAST_SHARE, tf.zeros_like(shares), shares)
        shares /= tf.reduce_sum(shares, axis=1, keepdims=True)
        below = tf.cumsum(shares, axis=1) < _normal_distribution(noise[:, :1])
        component = tf.minimum(tf.reduce_sum(tf.cast(below, tf.int32), axis=1), COMPONENTS - 1)
        chosen = tf.one_hot(component, COMPONENTS)
        deviations = tf.exp(self.log_deviations)
        e = tf.matmul(chosen, self.means) + shift
        e += tf.matmul(chosen, deviations) * noise[:, 1 : self.size + 1]
        spread = self.directions * self.deviations
        return sentence_feature + tf.matmul(e, spread, transpose_b=True)

    def compute_output_shape(self, sentence_feature_shape, noise_shape=None):
        return sentence_feature_shape

    def get_config(self):
        return super().get_config() | {"size": self.size}


def _normal_distribution(x):
    """That of N(0, 1), within 2e-4 (Bowling et al., 2009), by operations that every runtime has."""
    return tf.sigmoid(1.5976 * x + 0.07056 * x * x * x)


def _principal_components(x, count):
    """Deviations along the leading components of x [N, D], and these [D, count]."""
    _, lengths, components = np.linalg.svd(x, full_matrices=False)
    components = components[:count].T
    # The sign of a singular vector is the processor's choice.
    largest = np.abs(components).argmax(axis=0)
    components *= np.sign(components[largest, np.arange(components.shape[1])])
    return lengths[:count] / np.sqrt(len(x)), components


def _pairs(image_codes, sentence_features):
    """v and s, float64 [N · C, D], a row a caption, and C."""
    if len(image_codes) < 2:
        raise ValueError(f"it needs two pictures or more. Received: {len(image_codes)}.")
    v, s = np.float64(image_codes), np.float64(sentence_features)
    if not (np.isfinite(v).all() and np.isfinite(s).all()):
        raise ValueError("the encoders' codes of pictures and captions are not finite.")
    captions = s.shape[1] if s.ndim == 3 else 1
    return v.repeat(captions, axis=0), s.reshape(len(v) * captions, -1), captions


def _ridge(s, v, is_held_out):
    """The kernel [D, D] that best guesses v from s, both [N, D] and of mean 0."""

    def spectrum(rows):
        values, vectors = np.linalg.eigh(s[rows].T @ s[rows] / rows.sum())
        return values, vectors, vectors.T @ (s[rows].T @ v[rows] / rows.sum())

    def solution(values, vectors, products, ridge):
        return vectors @ (products / (values + ridge)[:, np.newaxis])

    def error(ridge):
        rest = v[is_held_out] - s[is_held_out] @ solution(*learned, ridge)
        return np.square(rest).sum()

    learned = spectrum(~is_held_out)
    ridges = max(learned[0][-1], 1e-12) * _RIDGES
    best = min(ridges, key=error)
    return solution(*spectrum(np.ones(len(s), bool)), best)
