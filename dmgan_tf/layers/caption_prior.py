"""What a caption leaves open, drawn from noise."""

import keras
import numpy as np
import tensorflow as tf

_HIDDEN = 64
_KINDS = 8  # Gaussians of the mixture
_LEAST, _MOST = -3.0, 2.0  # log σ
_CUT = 1e-2  # least squares ignores directions that are thinner than this share of the widest
_SEEN = 32  # leading components of the guess that p(e | s) is learned from: all of s is overfitted
_STEPS, _BATCH, _RATE, _WEIGHT_DECAY = 1000, 256, 3e-3, 0.5
_STEPS_PER_CHECK = 20
_HELD_OUT = 5  # every fifth pair decides which step was the best


@keras.saving.register_keras_serializable("dmgan_tf")
class CaptionPrior(keras.layers.Layer):
    """Completes a sentence's feature by what its caption does not tell, such as the surroundings.

    DAMSM's code v of a picture and the feature s of its sentence lie in one space. A s + b is the
    best linear guess of κ v from s, U the leading eigenvectors and Λ the eigenvalues of the
    covariance of what it leaves. What a picture shows beyond its caption is

        r(s, v) = U Uᵀ (κ v − A s − b)

    and in training sentences are s + r(s, v). Without a picture, r comes from noise z, by a mixture
    density network (Bishop, 1994):

        r(s, z) = U Λ^½ e,  e ~ p(e | s) = Σ π_m(s) N(μ_m(s), σ_m(s)²)

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
        features, numbers = sentence_feature_shape[-1], _KINDS * (1 + 2 * self.size)

        def weight(name, *shape):
            return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)

        self.scale = weight("scale")
        self.guess_kernel = weight("guess_kernel", features, features)
        self.guess_bias = weight("guess_bias", features)
        self.directions = weight("directions", features, self.size)
        self.deviations = weight("deviations", self.size)
        self.hidden_kernel = weight("hidden_kernel", features, _HIDDEN)
        self.hidden_bias = weight("hidden_bias", _HIDDEN)
        self.mixture_kernel = weight("mixture_kernel", _HIDDEN, numbers)
        self.mixture_bias = weight("mixture_bias", numbers)
        self.built = True

    @property
    def network(self):
        """Kernels and biases of p(e | s)."""
        return self.hidden_kernel, self.hidden_bias, self.mixture_kernel, self.mixture_bias

    def adapt(self, image_codes, sentence_features):
        """Learns κ, A, b, U, Λ and p(e | s) from pictures with a caption each, in seconds.

        Args: image_codes, sentence_features: float [N, D], of DAMSM's encoders; N ≥ 2.
        Raises: ValueError: where what captions leave open has fewer directions than `size`, or a
            number is not finite.
        """
        v, s = np.float64(image_codes), np.float64(sentence_features)
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
                f"what captions leave open in {len(v):,} pictures has fewer than {self.size} "
                "directions; ask for fewer."
            )
        # p(e | s) is learned from what of the sentence tells something of the picture.
        spread, seen = _principal_components(guess, _SEEN)
        seen = kernel @ seen / max(spread[0], 1e-12)
        network = _learned_network((s - s_mean) @ seen, rest @ directions / deviations)
        hidden = seen @ network[0]
        network[:2] = hidden, network[1] - s_mean @ hidden
        if not self.built:
            self.build(s.shape)
        learned = scale, kernel, v_mean - s_mean @ kernel, directions, deviations, *network
        for weight, value in zip(self.weights, learned, strict=True):
            weight.assign(value)

    @property
    def drawing_variables(self):
        """All variables that `call` reads; `untold` reads others."""
        return [self.directions, self.deviations, *self.network]

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
        log_shares, means, log_deviations = _gaussians(sentence_feature, self.network)
        # Which of the Gaussians: uniform noise against the sums of their shares.
        below = tf.cumsum(tf.exp(log_shares), axis=1) < _normal_distribution(noise[:, :1])
        kind = tf.minimum(tf.reduce_sum(tf.cast(below, tf.int32), axis=1), _KINDS - 1)
        chosen = tf.one_hot(kind, _KINDS)[:, :, tf.newaxis]
        mean = tf.reduce_sum(means * chosen, axis=1)
        deviation = tf.exp(tf.reduce_sum(log_deviations * chosen, axis=1))
        e = mean + deviation * noise[:, 1 : self.size + 1]
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


def _gaussians(x, network):
    """log π [B, M], μ and log σ [B, M, size], from x [B, D] by kernels and biases of two layers."""
    kernel, bias, mixture_kernel, mixture_bias = network
    hidden = tf.nn.relu(tf.matmul(x, kernel) + bias)
    numbers = tf.matmul(hidden, mixture_kernel) + mixture_bias
    size = (numbers.shape[1] // _KINDS - 1) // 2
    parts = tf.split(numbers, [_KINDS, _KINDS * size, _KINDS * size], axis=1)
    means, deviations = (tf.reshape(part, [-1, _KINDS, size]) for part in parts[1:])
    return tf.nn.log_softmax(parts[0]), means, tf.clip_by_value(deviations, _LEAST, _MOST)


def _log_density(e, x, network):
    """log p(e | x), float [B]."""
    log_shares, means, log_deviations = _gaussians(x, network)
    distances = (e[:, tf.newaxis] - means) / tf.exp(log_deviations)
    logs = log_shares - tf.reduce_sum(0.5 * tf.square(distances) + log_deviations, axis=2)
    return tf.reduce_logsumexp(logs, axis=1) - 0.5 * e.shape[1] * np.log(2 * np.pi)


def _learned_network(x, e):
    """Kernels and biases of p(e | x) by maximum likelihood, the same each time.

    Those of the step whose density of held-out pairs is the greatest.
    """
    rng = np.random.default_rng(0)
    x, e = np.float32(x), np.float32(e)
    features, size = x.shape[1], e.shape[1]
    means = e[rng.choice(len(e), _KINDS)].ravel()
    network = [
        rng.normal(0, np.sqrt(2 / features), (features, _HIDDEN)),
        np.zeros(_HIDDEN),
        rng.normal(0, 0.01, (_HIDDEN, _KINDS * (1 + 2 * size))),
        np.concatenate([np.zeros(_KINDS), means, np.full(_KINDS * size, -1.0)]),
    ]
    network = [tf.constant(value, tf.float32) for value in network]
    moments = [[tf.zeros_like(value) for value in network] for _ in range(2)]
    place = np.arange(len(x))
    held_out, learned = place[::_HELD_OUT], place[place % _HELD_OUT > 0]

    @tf.function
    def density(x, e, network):
        return tf.reduce_mean(_log_density(e, x, network))

    best, kept = -np.inf, network
    for i in range(_STEPS):
        if i % _STEPS_PER_CHECK == 0:
            found = float(density(x[held_out], e[held_out], network))
            best, kept = max((best, kept), (found, network), key=lambda pair: pair[0])
        rows = rng.choice(learned, _BATCH)
        network, moments = _adam_step(network, moments, tf.constant(float(i)), x[rows], e[rows])
    return [value.numpy() for value in kept]


@tf.function
def _adam_step(network, moments, i, x, e):
    """A step of AdamW at a rate that falls by a cosine; kernels decay, biases don't.

    On tensors, not on variables: those would be a strategy's where `adapt` is called in its scope.
    """
    with tf.GradientTape() as tape:
        tape.watch(network)
        loss = -tf.reduce_mean(_log_density(e, x, network))
    gradients = tape.gradient(loss, network)
    rate = _RATE * 0.5 * (1 + tf.cos(np.pi * i / _STEPS))
    means = [0.9 * m + 0.1 * g for m, g in zip(moments[0], gradients, strict=True)]
    squares = [0.999 * v + 0.001 * g * g for v, g in zip(moments[1], gradients, strict=True)]
    scales = 1 - 0.9 ** (i + 1), 1 - 0.999 ** (i + 1)
    moved = []
    for value, mean, square in zip(network, means, squares, strict=True):
        update = mean / scales[0] / (tf.sqrt(square / scales[1]) + 1e-7)
        decay = _WEIGHT_DECAY * value if len(value.shape) == 2 else 0.0
        moved.append(value - rate * (update + decay))
    return moved, [means, squares]
