"""A trained generator in the form that draws fastest: the same pictures, less work.

Batch norm stands in the kernels of the convolutions before it, and all kernels are worked out once.
"""

import tensorflow as tf

from dmgan_tf.layers import cpu
from dmgan_tf.layers.batch_norm import gated_linear_unit
from dmgan_tf.layers.convolutions import AROUND, reflect, reflect_by_parts
from dmgan_tf.models.generator import Generator, GeneratorOutput

# Up to this side of a map reading the kernels takes the time, and four of 2×2 are larger than one
# of 3×3.
_SMALL_SIDE = 8


class FoldedGenerator(tf.Module):
    """A generator's pictures, in inference mode alone; takes its weights as they are now.

    Args: generator: a built Generator. Prior, conditioning augmentation and memory stay its own
        layers. portable: of TensorFlow's plain operations alone, as exports must be: servers come
        without XLA.
    Inputs, returns: as Generator's.
    """

    def __init__(self, generator: Generator, portable: bool = False):
        super().__init__()
        self.sides = generator.sides
        self.noise_size = generator.noise_size
        self.condition_size = generator.condition_size
        self.compute_dtype = generator.compute_dtype
        # Variables, not constants: at CUB's size those save 3 % of a picture's time and cost five
        # seconds before the first.
        build = _Builder(generator.compute_dtype, portable, generator.padding)
        self._prior = generator.prior
        self._conditioning_augmentation = generator.conditioning_augmentation
        self._initial_stage = _InitialStage(generator.initial_stage, build)
        self._refinement_stages = [
            _RefinementStage(stage, side, build)
            for stage, side in zip(generator.refinement_stages, self.sides[:-1], strict=True)
        ]
        self._image_heads = [build.plain_convolution(head.kernel) for head in generator.image_heads]

    def reflect_by_parts(self):
        """Mirrors edges by slices and joins from now on, for runtimes that pad slowly."""
        for module in self.submodules:
            if isinstance(module, _Convolution):
                module.reflect = reflect_by_parts

    @property
    def batch_size(self):
        """How many pictures to draw at a time: a large one keeps a CPU busy by itself, and together
        they would only take more memory.
        """
        return 1 if any(isinstance(module, _Winograd) for module in self.submodules) else 32

    @property
    def variables(self):
        """All `tf.Variable`s, those of the Keras layers included."""
        memories = [stage.dynamic_memory for stage in self._refinement_stages]
        kept = [
            v for layer in (self._conditioning_augmentation, *memories) for v in layer.variables
        ]
        kept += self._prior.drawing_variables if self._prior else []
        return [*super().variables, *(v.value for v in kept)]

    def __call__(self, word_features, word_mask, sentence_feature, noise, condition_noise):
        if self._prior:
            sentence_feature = self._prior(sentence_feature, noise)
        condition, mean, log_variance = self._conditioning_augmentation(
            sentence_feature, condition_noise
        )
        features = self._initial_stage(condition, noise)
        images, responses = [self._picture(0, features)], []
        for i, stage in enumerate(self._refinement_stages, start=1):
            features, response = stage(word_features, features, word_mask)
            images.append(self._picture(i, features))
            responses.append(response)
        return GeneratorOutput.of(images, responses, mean, log_variance)

    def _picture(self, stage, features):
        return tf.tanh(tf.cast(self._image_heads[stage](features), tf.float32))


class _InitialStage(tf.Module):
    def __init__(self, stage, build):
        super().__init__()
        factor, shift = stage.batch_norm.factor_and_shift()
        self._kernel = build.variable(stage.dense.kernel * factor)
        self._bias = build.variable(shift)
        self._shape = [-1, *stage.seed_shape]
        self._upsamplings = [
            build.upsampling(stage.seed_shape[0] * 2**place, block)
            for place, block in enumerate(stage.upsample_blocks)
        ]

    def __call__(self, condition, noise):
        x = tf.cast(tf.concat([condition, noise], axis=-1), self._kernel.dtype)
        x = tf.reshape(gated_linear_unit(tf.matmul(x, self._kernel) + self._bias), self._shape)
        for upsampling in self._upsamplings:
            x = upsampling(x)
        return x


class _RefinementStage(tf.Module):
    def __init__(self, stage, side, build):
        super().__init__()
        self.dynamic_memory = stage.dynamic_memory
        self._residual_blocks = [
            _ResidualBlock(block, side, build) for block in stage.residual_blocks
        ]
        self._upsampling = build.upsampling(side, stage.upsample)

    def __call__(self, word_features, image_features, word_mask):
        response = self.dynamic_memory(word_features, image_features, word_mask)
        x = response.image_features
        for block in self._residual_blocks:
            x = block(x)
        if self.dynamic_memory.half_output and not self._residual_blocks:
            x = tf.concat([x, x], axis=-1)
        return self._upsampling(x), response


class _ResidualBlock(tf.Module):
    def __init__(self, block, side, build):
        super().__init__()
        self._half_input = block.half_input
        kernel = tf.convert_to_tensor(block.conv_in.kernel)
        if block.half_input:
            kernel = tf.add_n(tf.split(kernel, 2, axis=2))
        self._conv_in = build.convolution(side, kernel, block.batch_norm_in)
        kernel = tf.convert_to_tensor(block.conv_out.kernel)
        self._conv_out = build.convolution(side, kernel, block.batch_norm_out)

    def __call__(self, x):
        y = self._conv_out(self._conv_in(x))
        return y + (tf.concat([x, x], axis=-1) if self._half_input else x)


class _Builder:
    """Chooses the form of each convolution: what a CPU does fastest, unless it must be portable."""

    def __init__(self, dtype, portable, padding):
        self._dtype, self._portable, self._reflected = dtype, portable, padding == "reflect"

    def variable(self, value):
        return tf.Variable(tf.cast(value, self._dtype), trainable=False)

    def convolution(self, side, kernel, batch_norm):
        if scheme := self._scheme(side, kernel):
            return _Winograd(scheme, *self._folded(kernel, batch_norm), batch_norm.gated)
        if batch_norm.gated:
            return self._gated(kernel, batch_norm)
        return self.plain_convolution(*self._folded(kernel, batch_norm))

    def plain_convolution(self, kernel, bias=None, around=AROUND):
        bias = None if bias is None else self.variable(bias)
        return _Convolution(self.variable(kernel), bias, around, self._reflected)

    def upsampling(self, side, block):
        kernel = tf.convert_to_tensor(block.kernel)
        if scheme := self._scheme(side, kernel, upsampled=True):
            return _Winograd(scheme, *self._folded(kernel, block.batch_norm), gated=True)
        # The mirror image of a small map, once doubled, is not that of the doubled one.
        if side <= _SMALL_SIDE and not self._reflected:
            return _DoubledConvolution(self._gated(kernel, block.batch_norm))
        phases = zip(_phase_kernels(kernel), _PHASE_PADDINGS, strict=True)
        return _Upsampling([self._gated(phase, block.batch_norm, p) for phase, p in phases])

    def _gated(self, kernel, batch_norm, around=AROUND):
        kernel, shift = self._folded(kernel, batch_norm)
        halves = zip(tf.split(kernel, 2, axis=-1), tf.split(shift, 2), strict=True)
        return _GatedConvolution(*(self.plain_convolution(k, s, around) for k, s in halves))

    def _scheme(self, side, kernel, upsampled=False):
        if self._portable or self._reflected or self._dtype != "float32":
            return None
        return cpu.convolution((side, side), kernel, upsampled)

    def _folded(self, kernel, batch_norm):
        factor, shift = batch_norm.factor_and_shift()
        return kernel * factor, shift


class _Winograd(tf.Module):
    """A convolution by `layers/cpu/winograd.py`; XLA adds the bias and the gated linear unit."""

    def __init__(self, scheme, kernel, bias, gated):
        super().__init__()
        self._scheme, self._is_gated = scheme, gated
        self._kernels = [tf.Variable(k, trainable=False) for k in scheme.kernels(kernel)]
        self._bias = tf.Variable(bias, trainable=False)

    def __call__(self, x):
        products = self._scheme.products(x, self._kernels)
        return self._pictures(*products, tf.convert_to_tensor(self._bias))

    @tf.function(jit_compile=True, autograph=False)
    def _pictures(self, products, height, width, bias):
        y = self._scheme.pictures(products, height, width) + bias
        return gated_linear_unit(y) if self._is_gated else y


class _Convolution(tf.Module):
    """Args: around: how many pixels come in beyond the edges: mirrored ones, or zeros."""

    def __init__(self, kernel, bias, around, reflected):
        super().__init__()
        self._kernel, self._bias = kernel, bias
        self._reflected = around if reflected else None
        self.reflect = reflect
        zeros = "SAME" if around == AROUND else around
        self._padding = "VALID" if reflected else zeros

    def __call__(self, x):
        x = tf.cast(x, self._kernel.dtype)
        x = self.reflect(x, self._reflected) if self._reflected else x
        y = tf.nn.conv2d(x, self._kernel, 1, self._padding)
        return y if self._bias is None else tf.nn.bias_add(y, self._bias)


class _GatedConvolution(tf.Module):
    """Convolution and gated linear unit.

    Values and gates have a convolution each: to cut the channels of one in two would cost copies.
    """

    def __init__(self, value, gate):
        super().__init__()
        self._value, self._gate = value, gate

    def __call__(self, x):
        return self._value(x) * tf.sigmoid(self._gate(x))


class _DoubledConvolution(tf.Module):
    """Nearest neighbour ×2, by an operation that ONNX has as one node, then the convolution."""

    def __init__(self, convolution):
        super().__init__()
        self._convolution = convolution

    def __call__(self, x):
        return self._convolution(tf.nn.depth_to_space(tf.concat([x] * 4, axis=-1), 2))


class _Upsampling(tf.Module):
    """The four pixels that each pixel becomes, gated before they are put together."""

    def __init__(self, phases):
        super().__init__()
        self._phases = phases

    def __call__(self, x):
        phases = [convolution(x) for convolution in self._phases]
        return tf.nn.depth_to_space(tf.concat(phases, axis=-1), 2)


# Which rows of a 3×3 kernel meet which of two neighbouring pixels of the small picture, for the
# upper and for the lower pixel of a doubled pair; alike for columns.
_PHASES = [[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]]
# The upper pixel of a pair sees the small pixel above its own, the lower one that below; so with
# columns.
_PHASE_PADDINGS = [
    ((0, 0), (1 - row, row), (1 - column, column), (0, 0)) for row in (0, 1) for column in (0, 1)
]


def _phase_kernels(kernel):
    """Four 2×2 kernels on a small picture that do what a kernel [3, 3, C, F] does on its double."""
    sums = tf.constant(_PHASES, kernel.dtype)
    return [
        tf.einsum("uh,vw,hwio->uvio", sums[row], sums[column], kernel)
        for row in (0, 1)
        for column in (0, 1)
    ]
