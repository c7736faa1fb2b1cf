"""The generator: an initial picture from sentence and noise, refined stage by stage."""

from typing import NamedTuple

import keras
import tensorflow as tf

from dmgan_tf.layers.caption_prior import CaptionPrior
from dmgan_tf.layers.conditioning_augmentation import ConditioningAugmentation
from dmgan_tf.layers.conv_blocks import orthogonal_conv
from dmgan_tf.layers.convolutions import PADDINGS, convolve
from dmgan_tf.models.generator_stages import InitialStage, RefinementStage


class GeneratorOutput(NamedTuple):
    """Everything that a generator pass computes that a loss or a figure may need."""

    images: tuple  # a stage each, float32 [B, side, side, 3] in [−1, 1]
    attention: tuple  # a refinement each, float32 [B, side·side, T] at the refinement's input side
    writing_gates: tuple  # a refinement each, float32 [B, T, 1]
    response_gates: tuple  # a refinement each, float32 [B, side, side, 1]
    condition_mean: tf.Tensor  # float32 [B, N_c]
    condition_log_variance: tf.Tensor  # float32 [B, N_c]
    memory_outputs: tuple  # a refinement each, float32 [B, side, side, N_r]: what pixels read

    @classmethod
    def of(cls, images, responses, mean, log_variance):
        """From pictures, a MemoryResponse per refinement, and the condition's two parts."""
        return cls(
            images=tuple(images),
            attention=tuple(r.attention for r in responses),
            writing_gates=tuple(r.writing_gate for r in responses),
            response_gates=tuple(r.response_gate for r in responses),
            condition_mean=mean,
            condition_log_variance=log_variance,
            memory_outputs=tuple(tf.cast(r.memory_output, tf.float32) for r in responses),
        )


@keras.saving.register_keras_serializable("dmgan_tf")
class Generator(keras.Model):
    """DM-GAN's generator (DM-GAN, Fig. 2).

    Args:
        feature_channels: int, N_r. memory_channels: int, N_m.
        condition_size: int, N_c. noise_size: int, N_z.
        first_side: int, side of the first picture, a power of two from 8 on (64 in the paper).
        stages: int ≥ 1, pictures drawn; stages − 1 refinements, each doubling the side.
        residual_blocks, memory, writing_gate, response_gate, separate_values: see
            RefinementStage.
        padding: str, "zeros" or "reflect": what stands beyond the edges of all maps that are
            convolved.
        prior_size: int, size of the CaptionPrior that completes sentences when pictures are drawn;
            0: there is none. In training the sentences are completed already.
    Inputs:
        word_features: float [B, T, N_w]; word_mask: bool [B, T], True = real word;
        sentence_feature: float [B, N_w]; noise: float [B, N_z]; condition_noise: float [B, N_c].
    Returns: GeneratorOutput.
    Raises: ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        feature_channels=64,
        memory_channels=128,
        condition_size=100,
        noise_size=100,
        first_side=64,
        stages=3,
        residual_blocks=2,
        memory=True,
        writing_gate=True,
        response_gate=True,
        separate_values=True,
        padding="zeros",
        prior_size=0,
        **kwargs,
    ):
        # The stages cast for themselves; noise and sentences reach the prior as they are.
        super().__init__(**{"name": "generator", "autocast": False} | kwargs)
        if first_side < 8 or first_side & (first_side - 1):
            raise ValueError(
                f"`first_side` must be a power of two from 8 on. Received: first_side={first_side}."
            )
        if stages < 1:
            raise ValueError(f"`stages` must be 1 or more. Received: stages={stages}.")
        if not 0 <= prior_size < noise_size:
            raise ValueError(
                "`prior_size` must lie in [0, noise_size). "
                f"Received: prior_size={prior_size}, noise_size={noise_size}."
            )
        if padding not in PADDINGS:
            raise ValueError(f"`padding` must be one of {PADDINGS}. Received: padding={padding!r}.")
        refinement = {
            "feature_channels": feature_channels,
            "memory_channels": memory_channels,
            "residual_blocks": residual_blocks,
            "memory": memory,
            "writing_gate": writing_gate,
            "response_gate": response_gate,
            "separate_values": separate_values,
            "padding": padding,
        }
        self._arguments = refinement | {
            "condition_size": condition_size,
            "noise_size": noise_size,
            "first_side": first_side,
            "stages": stages,
            "prior_size": prior_size,
        }
        policy = self.dtype_policy
        self.noise_size = noise_size
        self.condition_size = condition_size
        self.sides = tuple(first_side * 2**i for i in range(stages))
        self.feature_channels = feature_channels
        self.padding = padding
        self.prior = CaptionPrior(prior_size, name="prior") if prior_size else None
        self.conditioning_augmentation = ConditioningAugmentation(
            condition_size, dtype="float32", name="conditioning_augmentation"
        )
        self.initial_stage = InitialStage(
            feature_channels, first_side, padding, dtype=policy, name="initial_stage"
        )
        self.refinement_stages = tuple(
            RefinementStage(**refinement, dtype=policy, name=f"refinement_{i}")
            for i in range(1, stages)
        )
        self.image_heads = tuple(
            orthogonal_conv(3, policy, f"image_head_{i}") for i in range(stages)
        )

    def build(
        self,
        word_features_shape,
        word_mask_shape=None,
        sentence_feature_shape=None,
        noise_shape=None,
        condition_noise_shape=None,
    ):
        feature_size = word_features_shape[-1]
        if self.prior and not self.prior.built:
            self.prior.build((None, feature_size))
        self.conditioning_augmentation.build((None, feature_size))
        self.initial_stage.build((None, self.condition_size), (None, self.noise_size))
        shape = (None, self.sides[0], self.sides[0], self.feature_channels)
        self.image_heads[0].build(shape)
        for stage, head in zip(self.refinement_stages, self.image_heads[1:], strict=True):
            stage.build((None, None, feature_size), shape)
            shape = (None, 2 * shape[1], 2 * shape[2], self.feature_channels)
            head.build(shape)
        self.built = True

    def call(
        self, word_features, word_mask, sentence_feature, noise, condition_noise, training=False
    ):
        if self.prior and not training:
            sentence_feature = self.prior(sentence_feature, noise)
        condition, mean, log_variance = self.conditioning_augmentation(
            sentence_feature, condition_noise
        )
        features = self.initial_stage(condition, noise, training=training)
        images, responses = [self._picture(0, features)], []
        for i, stage in enumerate(self.refinement_stages, start=1):
            features, response = stage(word_features, features, word_mask, training=training)
            images.append(self._picture(i, features))
            responses.append(response)
        return GeneratorOutput.of(images, responses, mean, log_variance)

    def _picture(self, stage, features):
        kernel = tf.cast(self.image_heads[stage].kernel, features.dtype)
        return tf.tanh(tf.cast(convolve(features, kernel, self.padding), tf.float32))

    def get_config(self):
        return super().get_config() | self._arguments
