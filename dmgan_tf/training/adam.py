"""Adam with its epsilon where the paper and the authors' framework have it."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dmgan_tf")
class Adam(keras.optimizers.Adam):
    """Adam (Kingma & Ba, 2015, Algorithm 1): θ ← θ − α·m̂ / (√v̂ + ε).

    Keras adds ε to √v before the bias of v is corrected, which makes it 1 / √(1 − β2ᵗ) times as
    large: 32 × in the first step at β2 = 0.999. Small gradients then move their parameters less.

    Args: as keras.optimizers.Adam.
    Raises: ValueError: for `amsgrad`, which is not supported.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("`amsgrad` is not supported. Received: amsgrad=True.")

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        place = self._get_variable_index(variable)
        m, v = self._momentums[place], self._velocities[place]
        step = tf.cast(self.iterations + 1, dtype)
        gradient = tf.cast(gradient, dtype)
        self.assign_add(m, (gradient - m) * (1.0 - self.beta_1))
        self.assign_add(v, (tf.square(gradient) - v) * (1.0 - self.beta_2))
        corrected_m = m / (1.0 - self.beta_1**step)
        corrected_v = v / (1.0 - self.beta_2**step)
        change = corrected_m / (tf.sqrt(corrected_v) + self.epsilon)
        self.assign_sub(variable, tf.cast(learning_rate, dtype) * change)
