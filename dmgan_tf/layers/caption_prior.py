"""What a caption leaves open, drawn from noise."""

import keras
import numpy as np
import tensorflow as tf

_KINDS = 16  # Gaussians of the mixture
_LEAST, _MOST = -3.0, 2.0  # log σ
_CUT = 1e-2  # least squares ignores directions that are thinner than this share of the widest
_STEPS, _BATCH, _RATE = 1000, 256, 1e-2
_STEPS_PER_CHECK = 20
_HELD_OUT = 5  # every fifth picture decides which step was the best


@keras.saving.register_keras_serializable("dmgan_tf")
class CaptionPrior(keras.layers.Layer):
    """Completes a sentence's feature by what its caption does not tell, such as the surroundings.

    DAMSM's code v of a picture and the feature s of its sentence lie in one space. A s + b is the
    best linear guess of κ v from s, U the leading eigenvectors and Λ the eigenvalues of the
    covariance of what it leaves. What a picture shows beyond its caption is

        r(s, v) = U Uᵀ (κ v − A s − b)

    and in training sentences are s + r(s, v). Without a picture, r comes from noise z, by a mixture
    of linear experts (Jacobs et al., 1991):

        r(s, z) = U Λ^½ e,  e ~ p(e | s) = Σ π_m(s) N(μ_m + B s, σ_m²),  π(s) = softmax(C s + c)

    A linear gate is sure of sentences that no caption is like; networks with a hidden layer were
    not. B begins as what A s leaves of a picture's code, so each Gaussian as a kind of pictures.

    A generator that learned to draw s + r(s, v) then draws every kind of picture that a caption
    allows, as often as there are pictures of it (after the prior of unCLIP, Ramesh et al., 2022,
    arXiv:2204.06125). κ makes v as long as s.

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
        self.share_kernel = weight("share_kernel", features, _KINDS)
        self.share_bias = weight("share_bias", _KINDS)
        self.shift_kernel = weight("shift_kernel", features, self.size)
        self.means = weight("means", _KINDS, self.size)
        self.log_deviations = weight("log_deviations", _KINDS, self.size)
        self.built = True

    @property
    def density(self):
        """C, c, B, μ and log σ of p(e | s)."""
        kernels = self.share_kernel, self.share_bias, self.shift_kernel
        return *kernels, self.means, self.log_deviations

    def adapt(self, image_codes, sentence_features):
        """Learns κ, A, b, U, Λ and p(e | s) from pictures and their captions, in seconds.

        Args: image_codes: float [N, D], N ≥ 2, sentence_features: float [N, C, D] of C captions
            each, or [N, D]; of DAMSM's encoders.
        Raises: ValueError: where what captions leave open has fewer directions than `size`, or a
            number is not finite.
        """
        v, s = np.float64(image_codes), np.float64(sentence_features)
        captions = s.shape[1] if s.ndim == 3 else 1
        v, s = v.repeat(captions, axis=0), s.reshape(len(v) * captions, -1)
        if not (np.isfinite(v).all() and np.isfinite(s).all()):
            raise ValueError("the encoders' codes of pictures and captions are not finite.")
        length = np.linalg.norm(s, axis=1).mean()
        scale = length / max(np.linalg.norm(v, axis=1).mean(), 1e-12)
        v *= scale
        v_mean, s_mean = v.mean(axis=0), s.mean(axis=0)
        kernel = np.linalg.lstsq(s - s_mean, v - v_mean, rcond=_CUT)[0]
        guess = (s - s_mean) @ kernel
        rest = v - v_mean - guess
        deviations, directions = _principal_components(rest, self.size)
        if len(deviations) < self.size or deviations[-1] <= 1e-4 * length:
            raise ValueError(
                f"what captions leave open in {len(image_codes):,} pictures has fewer than "
                f"{self.size} directions; ask for fewer."
            )
        rest, guess = (x @ directions / deviations for x in (rest, guess))
        density = _learned_density(s, rest, guess, captions)
        if not self.built:
            self.build(s.shape)
        learned = scale, kernel, v_mean - s_mean @ kernel, directions, deviations, *density
        for weight, value in zip(self.weights, learned, strict=True):
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
        log_shares, shift = _gate(sentence_feature, self.density)
        # Which of the Gaussians: uniform noise against the sums of their shares.
        below = tf.cumsum(tf.exp(log_shares), axis=1) < _normal_distribution(noise[:, :1])
        kind = tf.minimum(tf.reduce_sum(tf.cast(below, tf.int32), axis=1), _KINDS - 1)
        chosen = tf.one_hot(kind, _KINDS)
        deviations = tf.exp(tf.clip_by_value(self.log_deviations, _LEAST, _MOST))
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


def _gate(s, density):
    """log π(s) [B, M] and B s [B, size]."""
    kernel, bias, shift_kernel, *_ = density
    return tf.nn.log_softmax(tf.matmul(s, kernel) + bias), tf.matmul(s, shift_kernel)


def _log_density(e, s, density):
    """log p(e | s), float [B]."""
    log_shares, shift = _gate(s, density)
    means, log_deviations = density[3], tf.clip_by_value(density[4], _LEAST, _MOST)
    distances = ((e - shift)[:, tf.newaxis] - means) / tf.exp(log_deviations)
    logs = log_shares - tf.reduce_sum(0.5 * tf.square(distances) + log_deviations, axis=2)
    return tf.reduce_logsumexp(logs, axis=1) - 0.5 * e.shape[1] * np.log(2 * np.pi)


def _learned_density(s, e, guess, captions):
    """C, c, B, μ and log σ of p(e | s) by maximum likelihood, the same each time.

    Those of the step whose density of held-out pictures is the greatest.

    Args: s: sentences, float [N, D]. e: what pictures show beyond them, guess: what is told of
        that, both [N, size]; together the picture's code. captions: so many rows are a picture's.
    """
    rng = np.random.default_rng(0)
    mean, scale = s.mean(axis=0), max(s.std(axis=0).mean(), 1e-12)
    s = (s - mean) / scale
    density = [
        np.zeros((s.shape[1], _KINDS)),
        np.zeros(_KINDS),
        -np.linalg.lstsq(s, guess, rcond=_CUT)[0],
        _far_apart(e + guess, _KINDS, rng),
        np.full((_KINDS, e.shape[1]), -1.0),
    ]
    density = [tf.constant(value, tf.float32) for value in density]
    moments = [[tf.zeros_like(value) for value in density] for _ in range(2)]
    s, e = np.float32(s), np.float32(e)
    is_held_out = np.arange(len(s)) // captions % _HELD_OUT == 0
    held_out, learned = np.flatnonzero(is_held_out), np.flatnonzero(~is_held_out)

    @tf.function
    def mean_log_density(e, s, density):
        return tf.reduce_mean(_log_density(e, s, density))

    best, kept = -np.inf, density
    for i in range(_STEPS + 1):
        if i % _STEPS_PER_CHECK == 0:
            found = float(mean_log_density(e[held_out], s[held_out], density))
            best, kept = max((best, kept), (found, density), key=lambda pair: pair[0])
        rows = rng.choice(learned, _BATCH)
        density, moments = _adam_step(density, moments, tf.constant(float(i)), e[rows], s[rows])
    # Of sentences as they are, not centred and scaled.
    kernel, bias, shift_kernel, means, log_deviations = (value.numpy() for value in kept)
    kernel, shift_kernel = kernel / scale, shift_kernel / scale
    return kernel, bias - mean @ kernel, shift_kernel, means - mean @ shift_kernel, log_deviations


def _far_apart(x, count, rng):
    """Some of x [N, size], each drawn by its squared distance from those before (k-means++)."""
    chosen = [x[rng.integers(len(x))]]
    for _ in range(count - 1):
        distances = np.square(x[:, None] - np.stack(chosen)).sum(axis=2).min(axis=1) + 1e-12
        chosen.append(x[rng.choice(len(x), p=distances / distances.sum())])
    return np.stack(chosen)


@tf.function
def _adam_step(density, moments, i, e, s):
    """A step of Adam at a rate that falls by a cosine.

    On tensors, not on variables: those would be a strategy's where `adapt` is called in its scope.
    """
    with tf.GradientTape() as tape:
        tape.watch(density)
        loss = -tf.reduce_mean(_log_density(e, s, density))
    gradients = tape.gradient(loss, density)
    rate = _RATE * 0.5 * (1 + tf.cos(np.pi * i / _STEPS))
    means = [0.9 * m + 0.1 * g for m, g in zip(moments[0], gradients, strict=True)]
    squares = [0.999 * v + 0.001 * g * g for v, g in zip(moments[1], gradients, strict=True)]
    scales = 1 - 0.9 ** (i + 1), 1 - 0.999 ** (i + 1)
    moved = [
        value - rate * mean / scales[0] / (tf.sqrt(square / scales[1]) + 1e-7)
        for value, mean, square in zip(density, means, squares, strict=True)
    ]
    return moved, [means, squares]
