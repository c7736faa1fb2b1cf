"""What a caption leaves open, drawn from noise."""

import keras
import numpy as np
import tensorflow as tf

_HIDDEN = 64
_KINDS = 8  # Gaussians of the mixture
_STEPS, _BATCH, _RATE = 1000, 256, 3e-3
_LEAST, _MOST = -4.0, 2.0  # log σ
_FROZEN = {"dtype": "float32", "trainable": False}
_CUT = 1e-2  # least squares ignores directions that are thinner than this share of the widest


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

    Args: size: int > 0, columns of U.
    Inputs: sentence_feature: float [B, D]; noise: float [B, ≥ size + 1], normal.
    Returns: s + r(s, z), float32 [B, D].
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32", "trainable": False})
        self.size = size
        self.hidden = keras.layers.Dense(_HIDDEN, "relu", **_FROZEN, name="hidden")
        self.mixture = keras.layers.Dense(_KINDS * (1 + 2 * size), **_FROZEN, name="mixture")

    def build(self, sentence_feature_shape, noise_shape=None):
        features = sentence_feature_shape[-1]
        self.guess = keras.layers.Dense(features, **_FROZEN, name="guess")
        self.guess.build((None, features))
        self.hidden.build((None, features))
        self.mixture.build((None, _HIDDEN))
        options = {"initializer": "zeros", "trainable": False}
        self.scale = self.add_weight(name="scale", shape=(), **options)
        self.directions = self.add_weight(name="directions", shape=(features, self.size), **options)
        self.deviations = self.add_weight(name="deviations", shape=(self.size,), **options)
        self.built = True

    def adapt(self, image_codes, sentence_features):
        """Learns κ, A, b, U, Λ and p(e | s) from pictures and captions, in seconds.

        Args: image_codes, sentence_features: float [N, D], of DAMSM's encoders; N ≥ 2.
        Raises: ValueError: where what captions leave open has fewer directions than `size`.
        """
        v, s = np.float64(image_codes), np.float64(sentence_features)
        scale = np.linalg.norm(s, axis=1).mean() / max(np.linalg.norm(v, axis=1).mean(), 1e-12)
        v *= scale
        v_mean, s_mean = v.mean(axis=0), s.mean(axis=0)
        kernel = np.linalg.lstsq(s - s_mean, v - v_mean, rcond=_CUT)[0]
        rest = v - v_mean - (s - s_mean) @ kernel
        _, deviations, directions = np.linalg.svd(rest, full_matrices=False)
        deviations = deviations[: self.size] / np.sqrt(len(v))
        if len(deviations) < self.size or deviations[-1] < 1e-4 * np.linalg.norm(s[0]):
            raise ValueError(
                f"what captions leave open in {len(v):,} pictures has fewer than {self.size} "
                "directions."
            )
        directions = directions[: self.size].T
        # The sign of a singular vector is the processor's choice.
        largest = np.abs(directions).argmax(axis=0)
        directions *= np.sign(directions[largest, np.arange(self.size)])
        if not self.built:
            self.build(s.shape)
        self.guess.set_weights([kernel, v_mean - s_mean @ kernel])
        for weight, value in (
            (self.scale, scale),
            (self.directions, directions),
            (self.deviations, deviations),
        ):
            weight.assign(value)
        self._learn_mixture(np.float32(s), np.float32(rest @ directions / deviations))

    def _learn_mixture(self, s, e):
        """Maximum likelihood of p(e | s) by Adam, the same each time."""
        rng = np.random.default_rng(0)
        features = s.shape[1]
        self.hidden.set_weights(
            [rng.normal(0, np.sqrt(2 / features), (features, _HIDDEN)), np.zeros(_HIDDEN)]
        )
        kernel = rng.normal(0, 0.01, (_HIDDEN, _KINDS * (1 + 2 * self.size)))
        means = e[rng.choice(len(e), _KINDS)].ravel()
        start = np.concatenate([np.zeros(_KINDS), means, np.full(_KINDS * self.size, -1.0)])
        self.mixture.set_weights([kernel, start])
        variables = [*self.hidden.variables, *self.mixture.variables]
        rate = keras.optimizers.schedules.CosineDecay(_RATE, _STEPS)
        optimizer = keras.optimizers.Adam(rate)
        optimizer.build(variables)

        @tf.function
        def step(s, e):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([v.value for v in variables])
                loss = -tf.reduce_mean(self._log_density(s, e))
            gradients = tape.gradient(loss, [v.value for v in variables])
            optimizer.apply(gradients, variables)

        for _ in range(_STEPS):
            rows = rng.choice(len(s), _BATCH)
            step(s[rows], e[rows])

    @property
    def drawing_variables(self):
        """All variables that `call` reads; `untold` reads others."""
        dense = [*self.hidden.variables, *self.mixture.variables]
        return [*dense, self.directions, self.deviations]

    def _log_density(self, s, e):
        """log p(e | s), float [B]."""
        log_shares, means, log_deviations = self._gaussians(s)
        z = (e[:, tf.newaxis] - means) / tf.exp(log_deviations)
        parts = log_shares - tf.reduce_sum(0.5 * tf.square(z) + log_deviations, axis=2)
        return tf.reduce_logsumexp(parts, axis=1) - 0.5 * self.size * np.log(2 * np.pi)

    def _gaussians(self, s):
        """log π [B, M], μ and log σ [B, M, size]."""
        sizes = [_KINDS, _KINDS * self.size, _KINDS * self.size]
        shares, means, deviations = tf.split(self.mixture(self.hidden(s)), sizes, axis=1)
        shape = [-1, _KINDS, self.size]
        deviations = tf.clip_by_value(tf.reshape(deviations, shape), _LEAST, _MOST)
        return tf.nn.log_softmax(shares), tf.reshape(means, shape), deviations

    def untold(self, sentence_feature, image_code):
        """r(s, v), float32 [B, D]: what a picture shows beyond its caption."""
        rest = self.scale * tf.cast(image_code, tf.float32) - self.guess(sentence_feature)
        inner = tf.matmul(rest, self.directions)
        return tf.matmul(inner, self.directions, transpose_b=True)

    def call(self, sentence_feature, noise):
        log_shares, means, log_deviations = self._gaussians(sentence_feature)
        # Which of the Gaussians: uniform noise against the sums of their shares. The logistic
        # function is within 0.01 of the normal distribution's, and every runtime has it.
        uniform = tf.sigmoid(1.702 * noise[:, :1])
        below = tf.cumsum(tf.exp(log_shares), axis=1) < uniform
        kind = tf.minimum(tf.reduce_sum(tf.cast(below, tf.int32), axis=1), _KINDS - 1)
        chosen = tf.one_hot(kind, _KINDS)[:, :, tf.newaxis]
        mean = tf.reduce_sum(means * chosen, axis=1)
        deviation = tf.exp(tf.reduce_sum(log_deviations * chosen, axis=1))
        e = mean + deviation * noise[:, 1 : self.size + 1]
        inner = e * self.deviations
        return sentence_feature + tf.matmul(inner, self.directions, transpose_b=True)

    def compute_output_shape(self, sentence_feature_shape, noise_shape=None):
        return sentence_feature_shape

    def get_config(self):
        return super().get_config() | {"size": self.size}
