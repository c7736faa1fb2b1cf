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

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Keras' own, with all that variables share in place of the learning rate.

        Computed for each variable it would be some twenty operations of the graph each time.
        """
        dtypes = {variable.dtype for variable in trainable_variables}
        shared = {str(dtype): self._shared(learning_rate, dtype) for dtype in dtypes}
        super()._backend_update_step(grads, trainable_variables, shared)

    def _shared(self, learning_rate, dtype):
        """Scalars of `ResourceApplyAdam`."""
        step = tf.cast(self.iterations, dtype) + 1.0
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        beta_2_power = beta_2**step
        return {
            "lr": tf.cast(learning_rate, dtype),
            "beta1": beta_1,
            "beta2": beta_2,
            "beta1_power": beta_1**step,
            "beta2_power": beta_2_power,
            # The fused operation adds it to √v: what stands here makes it that of √v̂.
            "epsilon": self.epsilon * tf.sqrt(1.0 - beta_2_power),
        }

    def update_step(self, gradient, variable, shared):
        place = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **shared[variable.dtype.name],
        )
