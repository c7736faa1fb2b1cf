"""The generator's two convolutions, exactly in float32, in the form that costs least here."""

import tensorflow as tf

from dmgan_tf.layers import cpu

# Which rows of a 4×4 kernel a row of the 3×3 kernel adds to, where each pixel stands twice.
_ROWS = [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]


PADDINGS = ("zeros", "reflect")
AROUND = ((0, 0), (1, 1), (1, 1), (0, 0))  # a pixel on each side, as `tf.pad` takes it


def reflect(x, paddings=AROUND):
    """A map with the pixels that mirror its own beyond its edges, as `padding="reflect"` says."""
    return tf.pad(x, paddings, "REFLECT")


def reflect_by_parts(x, paddings=AROUND):
    """The same, of slices and joins, for known sides and at most a pixel on each side."""
    (above, below), (left, right) = paddings[1:3]
    _, height, width, _ = x.shape
    rows = [x[:, 1:2]] * above, [x[:, height - 2 : height - 1]] * below
    x = tf.concat([*rows[0], x, *rows[1]], axis=1)
    columns = [x[:, :, 1:2]] * left, [x[:, :, width - 2 : width - 1]] * right
    return tf.concat([*columns[0], x, *columns[1]], axis=2)


def convolve(x, kernel, padding="zeros"):
    """3×3 convolution of stride 1 that keeps the side.

    Args: x: float [B, height, width, C]; kernel: float [3, 3, C, F], of the same dtype.
        padding: "zeros", or "reflect": what stands beyond the edges of x.
    Returns: float [B, height, width, F].
    """
    if padding == "reflect":
        return tf.nn.conv2d(reflect(x), kernel, 1, "VALID")
    if scheme := cpu.convolution(x.shape[1:3], kernel):
        return scheme.convolve(x, kernel)
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def upsample_and_convolve(x, kernel, padding="zeros"):
    """Nearest neighbour ×2, then a 3×3 convolution.

    A pixel of the doubled picture sees only 2×2 pixels of the small one: together that is a
    transposed convolution of stride 2, whose 4×4 kernel holds sums of the kernel's rows and
    columns, with 2.25 × fewer multiplications.

    Args: x: float [B, height, width, C]; kernel: float [3, 3, C, F], of the same dtype.
        padding: "zeros", or "reflect": what stands beyond the edges of x.
    Returns: float [B, 2·height, 2·width, F].
    """
    if padding == "reflect":  # of the doubled padding all but a pixel on each side is cut off again
        doubled = upsample_and_convolve(reflect(x), kernel)
        # Not [:, 2:-2, 2:-2], whose gradient is slow on a CPU; that of `tf.slice` is a padding.
        _, height, width, _ = tf.unstack(tf.shape(x))
        cut = tf.slice(doubled, [0, 2, 2, 0], [-1, 2 * height, 2 * width, -1])
        sides = (side and 2 * side for side in x.shape[1:3])
        return tf.ensure_shape(cut, [x.shape[0], *sides, kernel.shape[-1]])
    if scheme := cpu.convolution(x.shape[1:3], kernel, upsampled=True):
        return scheme.convolve(x, kernel)
    rows = tf.constant(_ROWS, kernel.dtype)
    wide = tf.einsum("uh,vw,hwio->uvoi", rows, rows, kernel)
    batch, height, width, _ = tf.unstack(tf.shape(x))
    shape = [batch, 2 * height, 2 * width, kernel.shape[-1]]
    return tf.nn.conv2d_transpose(x, wide, shape, 2, "SAME")
