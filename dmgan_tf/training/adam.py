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
        # One fused operation, whose own ε is added to √v: what stands there makes it that of √v̂.
        place = self._get_variable_index(variable)
        m, v = self._momentums[place].value, self._velocities[place].value
        dtype = variable.dtype
        step = tf.cast(self.iterations, dtype) + 1.0
        beta_2_power = self.beta_2**step
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=self.beta_1**step,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.constant(self.beta_1, dtype),
            beta2=tf.constant(self.beta_2, dtype),
            epsilon=self.epsilon * tf.sqrt(1.0 - beta_2_power),
            grad=tf.cast(gradient, dtype),
        )
