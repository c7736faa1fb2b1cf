"""DM-GAN as one would port it: Keras' own layers, no rewrite, a pass per kind of picture.

What the benchmarks hold the package against. It takes the weights of a `Generator` and draws the
same pictures.
"""

import keras
import tensorflow as tf

from dmgan_tf.layers.conditioning_augmentation import ConditioningAugmentation
from dmgan_tf.layers.dynamic_memory import DynamicMemory
from dmgan_tf.losses.adversarial import discriminator_loss, fake_loss
from dmgan_tf.models.generator import Generator, GeneratorOutput
from dmgan_tf.training.dmgan_trainer import DMGANTrainer
from dmgan_tf.training.replicas import apply_gradients, global_mean


def _convolution(filters):
    return keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)


def _batch_norm():
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def _gated(x):
    value, gate = tf.split(x, 2, axis=-1)
    return value * tf.sigmoid(gate)


class _Upsampling(keras.layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.nearest = keras.layers.UpSampling2D(interpolation="nearest")
        self.convolution = _convolution(2 * filters)
        self.batch_norm = _batch_norm()

    def call(self, x, training=False):
        x = self.convolution(self.nearest(x))
        return _gated(self.batch_norm(x, training=training))


class _Residual(keras.layers.Layer):
    def __init__(self, channels):
        super().__init__()
        self.convolution_in, self.batch_norm_in = _convolution(2 * channels), _batch_norm()
        self.convolution_out, self.batch_norm_out = _convolution(channels), _batch_norm()

    def call(self, x, training=False):
        y = _gated(self.batch_norm_in(self.convolution_in(x), training=training))
        return x + self.batch_norm_out(self.convolution_out(y), training=training)


class _Initial(keras.layers.Layer):
    def __init__(self, shape, doublings):
        super().__init__()
        self.shape = shape
        self.dense = keras.layers.Dense(2 * shape[0] * shape[1] * shape[2], use_bias=False)
        self.batch_norm = _batch_norm()
        self.upsamplings = [_Upsampling(shape[2] // 2**i) for i in range(1, doublings + 1)]

    def call(self, condition, noise, training=False):
        x = self.dense(tf.concat([condition, noise], axis=-1))
        x = tf.reshape(_gated(self.batch_norm(x, training=training)), [-1, *self.shape])
        for upsampling in self.upsamplings:
            x = upsampling(x, training=training)
        return x


class _Refinement(keras.layers.Layer):
    def __init__(self, channels, memory_channels, residual_blocks):
        super().__init__()
        self.dynamic_memory = DynamicMemory(channels, memory_channels)
        self.residual_blocks = [_Residual(2 * channels) for _ in range(residual_blocks)]
        self.upsampling = _Upsampling(channels)

    def call(self, words, image_features, mask, training=False):
        response = self.dynamic_memory(words, image_features, mask)
        x = tf.concat([response.image_features] * 2, axis=-1)
        for block in self.residual_blocks:
            x = block(x, training=training)
        return self.upsampling(x, training=training), response


class PlainGenerator(keras.Model):
    """A whole DM-GAN generator with the sizes and the weights of another; inputs, returns alike."""

    prior = None  # the paper's generator has none

    def __init__(self, like: Generator, **kwargs):
        super().__init__(**kwargs)
        config = like.get_config()
        channels, stages = config["feature_channels"], config["stages"]
        self.sides, self.noise_size = like.sides, like.noise_size
        self.condition_size = like.condition_size
        self.conditioning_augmentation = ConditioningAugmentation(config["condition_size"])
        blocks = len(like.initial_stage.upsample_blocks)
        self.initial_stage = _Initial(like.initial_stage.seed_shape, blocks)
        self.refinements = [
            _Refinement(channels, config["memory_channels"], config["residual_blocks"])
            for _ in range(stages - 1)
        ]
        self.image_heads = [_convolution(3) for _ in range(stages)]
        features = like.conditioning_augmentation.dense.kernel.shape[0]
        self(
            tf.zeros([1, 1, features]),
            tf.ones([1, 1], tf.bool),
            tf.zeros([1, features]),
            tf.zeros([1, like.noise_size]),
            tf.zeros([1, like.condition_size]),
        )
        self.set_weights(like.get_weights())

    def call(self, words, mask, sentence, noise, condition_noise, training=False):
        condition, mean, log_variance = self.conditioning_augmentation(sentence, condition_noise)
        features = self.initial_stage(condition, noise, training=training)
        images, responses = [tf.tanh(self.image_heads[0](features))], []
        for stage, head in zip(self.refinements, self.image_heads[1:], strict=True):
            features, response = stage(words, features, mask, training=training)
            images.append(tf.tanh(head(features)))
            responses.append(response)
        return GeneratorOutput.of(images, responses, mean, log_variance)


class PlainTrainer(DMGANTrainer):
    """The same step with a discriminator's pass for each kind of picture and pair."""

    def _discriminator_step(self, place, real_images, fake, text):
        network, optimizer = self.discriminators[place], self.discriminator_optimizers[place]
        fake = tf.stop_gradient(fake)
        sentence, wrong_sentence, wrong_weight = text.sentences
        with tf.GradientTape() as tape:
            real = network(real_images, sentence, training=True)
            wrong = network(real_images, wrong_sentence, training=True)
            drawn = network(fake, sentence, training=True)
            loss = global_mean(
                discriminator_loss(
                    real.unconditional_logits,
                    real.conditional_logits,
                    drawn.unconditional_logits,
                    drawn.conditional_logits,
                    fake_loss(wrong.conditional_logits) * wrong_weight,
                )
            )
        variables = network.trainable_variables
        apply_gradients(optimizer, tape.gradient(loss, variables), variables)
        return {f"discriminator_loss/{network.side}": loss}
