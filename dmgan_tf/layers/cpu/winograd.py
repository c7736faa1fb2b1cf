"""3×3 convolutions with fewer multiplications, for CPUs: F(2×2, 3×3) of Lavin and Gray (2016), and
one of the same kind for a picture that is upsampled first.

Two neighbouring outputs of a 3-tap filter cost six multiplications; or four, of sums of the inputs
with sums of the taps; or three, where each input stands twice. So with rows and with columns: 2×2
outputs cost 16 or 9 products instead of 36, and over a whole picture these are 16 or 9 products of
matrices. The sums would cost more than they save as TensorFlow's operations, each of which walks
through memory; XLA fuses them into one pass.
"""

import numpy as np
import tensorflow as tf

# With fewer channels the sums cost what the products save; below so many multiply-adds per tap,
# XLA's compilation is not worth the wait.
MIN_CHANNELS, MIN_WORK = 64, 2**22
_TILES_AT_ONCE = 2**12


class Winograd:
    """A convolution that computes each pair of outputs of an axis as
    `outputs` · ((`taps` · kernel) * (`inputs` · window)), from the window of inputs that they see.
    """

    inputs: tuple[tuple[int, ...], ...]
    taps: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[int, ...], ...]

    def __init__(self):
        compiled = {"jit_compile": True, "autograph": False}
        self._tiles = tf.function(self._tiles, **compiled)
        self._from_tiles = tf.function(self._from_tiles, **compiled)
        self._compiled_pictures = tf.function(self.pictures, **compiled)
        self._from_pictures = tf.function(self._from_pictures, **compiled)
        self.convolve = tf.custom_gradient(self._convolve)

    def suits(self, sides, kernel):
        """Whether pictures of these sides (height, width), which XLA wants to know, gain by it."""
        channels, filters = kernel.shape[2:]
        return (
            None not in sides
            and min(channels, filters) >= MIN_CHANNELS
            and sides[0] * sides[1] * channels * filters >= MIN_WORK
            and kernel.dtype == tf.float32
        )

    def _convolve(self, x, kernel):
        # Args: x: float32 [B, height, width, C], sides known; kernel: float32 [3, 3, C, F].
        kernels = self.kernels(kernel)
        filters, sides = kernel.shape[-1], self._tile_counts(x)

        def forward(x):
            return self._compiled_pictures(*self.products(x, kernels)), []

        def gradient(upstream):
            # The tiles depend on x alone: a graph would make them at once and hold them until now.
            with tf.control_dependencies([upstream]):
                waiting = tf.identity(x)

            def backward(x, upstream):
                # The tiles once more, rather than several times x held until now.
                tiles, to_products = self._tiles(x), self._from_pictures(upstream)
                to_kernels = [
                    tf.matmul(tile, product, transpose_a=True)
                    for tile, product in zip(tiles, to_products, strict=True)
                ]
                to_tiles = [
                    tf.matmul(product, matrix, transpose_b=True)
                    for product, matrix in zip(to_products, kernels, strict=True)
                ]
                return self._from_tiles(to_tiles, *sides), to_kernels

            nothing = [tf.zeros_like(matrix) for matrix in kernels]
            to_x, to_kernels = _in_turns(backward, [waiting, upstream], sides, x.shape[1:], nothing)
            return to_x, self._from_kernels(to_kernels)

        shape = [2 * sides[0], 2 * sides[1], filters]
        y, _ = _in_turns(forward, [x], sides, shape, [])
        return y, gradient

    def kernels(self, kernel):
        """What a kernel [3, 3, C, F] gives to the P products: P times [C, F]."""
        sums = tf.matmul(self._kernel_sums(), tf.reshape(kernel, [9, -1]))
        return tf.unstack(tf.reshape(sums, [-1, *kernel.shape[2:]]))

    def _from_kernels(self, to_kernels):
        flat = tf.reshape(tf.stack(to_kernels), [len(to_kernels), -1])
        sums = tf.matmul(self._kernel_sums(), flat, transpose_a=True)
        return tf.reshape(sums, [3, 3, *to_kernels[0].shape])

    def _kernel_sums(self):
        """Float32 [P, 9], both axes at once: small enough to need no compilation."""
        return np.kron(self.taps, self.taps).astype(np.float32)

    def products(self, x, kernels):
        """P products [B·tiles, F] of x [B, height, width, C] with `kernels`; then how many tiles
        a picture is high and wide.
        """
        tiles = self._tiles(x)
        products = [tf.matmul(tile, matrix) for tile, matrix in zip(tiles, kernels, strict=True)]
        return products, *self._tile_counts(x)

    def pictures(self, products, height, width):
        """[B, 2·height, 2·width, F] from `products`; to be compiled by XLA."""
        rows = [
            _joined(_sums(self.outputs, row), axis=2) for row in self._grid(products, height, width)
        ]
        return _joined(_sums(self.outputs, rows), axis=1)

    def _from_pictures(self, upstream):
        back = _transposed(self.outputs)
        return [
            _flat(product)
            for row in _sums(back, _halves(upstream, axis=1))
            for product in _sums(back, _halves(row, axis=2))
        ]

    def _tiles(self, x):
        return [
            _flat(tile)
            for row in _sums(self.inputs, self._windows(x, axis=1))
            for tile in _sums(self.inputs, self._windows(row, axis=2))
        ]

    def _from_tiles(self, to_tiles, height, width):
        back = _transposed(self.inputs)
        rows = [
            self._from_windows(_sums(back, row), axis=2)
            for row in self._grid(to_tiles, height, width)
        ]
        return self._from_windows(_sums(back, rows), axis=1)

    def _grid(self, flat, height, width):
        """P [B·tiles, C] as rows of [B, height, width, C]."""
        size = len(self.outputs[0])
        pictures = [tf.reshape(x, [-1, height, width, x.shape[-1]]) for x in flat]
        return [pictures[row * size : (row + 1) * size] for row in range(size)]

    def _tile_counts(self, x):
        raise NotImplementedError

    def _windows(self, x, axis):
        """The inputs that each pair of outputs sees along an axis, in their order."""
        raise NotImplementedError

    def _from_windows(self, windows, axis):
        """The transpose of `_windows`."""
        raise NotImplementedError


class _Plain(Winograd):
    """3×3 convolution of stride 1 that keeps the (even) sides: 16 products."""

    inputs = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
    taps = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
    outputs = ((1, 1, 1, 0), (0, 1, -1, -1))

    def suits(self, sides, kernel):
        return super().suits(sides, kernel) and sides[0] % 2 == sides[1] % 2 == 0

    def _tile_counts(self, x):
        return x.shape[1] // 2, x.shape[2] // 2

    def _windows(self, x, axis):
        even, odd = _halves(x, axis)
        return [_moved(odd, 1, axis), even, odd, _moved(even, -1, axis)]

    def _from_windows(self, windows, axis):
        before, even, odd, behind = windows
        return _joined([even + _moved(behind, 1, axis), odd + _moved(before, -1, axis)], axis)


class _Upsampled(Winograd):
    """Nearest neighbour ×2, then the 3×3 convolution: 9 products."""

    inputs = ((1, -1, 0), (0, 1, 0), (0, -1, 1))
    taps = ((1, 0, 0), (1, 1, 1), (0, 0, 1))
    outputs = ((1, 1, 0), (0, 1, 1))

    def _tile_counts(self, x):
        return x.shape[1], x.shape[2]

    def _windows(self, x, axis):
        return [_moved(x, 1, axis), x, _moved(x, -1, axis)]

    def _from_windows(self, windows, axis):
        before, here, behind = windows
        return here + _moved(before, -1, axis) + _moved(behind, 1, axis)


PLAIN = _Plain()
UPSAMPLED = _Upsampled()


def _in_turns(function, arrays, sides, shape, sums):
    """`function` of a few pictures after the other, for the memory that their tiles take.

    Args: function: of parts of `arrays` [B, …] to ([b, *shape], summands). sides: tiles of a
        picture, high and wide. sums: what the summands are added to.
    Returns: [B, *shape] and the sums.
    """
    batch = arrays[0].shape[0] or 1  # unknown: one by one, in equal parts as XLA wants them
    most = max(1, _TILES_AT_ONCE // (sides[0] * sides[1]))
    at_once = max(share for share in range(1, min(batch, most) + 1) if batch % share == 0)
    if at_once == arrays[0].shape[0]:
        y, summands = function(*arrays)
        y = tf.ensure_shape(y, [at_once, *shape])
        return y, [total + summand for total, summand in zip(sums, summands, strict=True)]
    turns = tf.shape(arrays[0])[0] // at_once
    parts = tf.TensorArray(tf.float32, turns, element_shape=[at_once, *shape])

    def turn(place, parts, sums):
        begin = [place * at_once, 0, 0, 0]
        y, summands = function(*(tf.slice(a, begin, [at_once, *a.shape[1:]]) for a in arrays))
        sums = [total + summand for total, summand in zip(sums, summands, strict=True)]
        return place + 1, parts.write(place, y), sums

    _, parts, sums = tf.while_loop(
        lambda place, *_: place < turns, turn, (0, parts, sums), parallel_iterations=1
    )
    return tf.reshape(parts.stack(), [arrays[0].shape[0] or -1, *shape]), sums


def _sums(matrix, terms):
    """matrix · terms; the products with 0, 1 and -1 aren't computed."""
    sums = []
    for row in matrix:
        total = None
        for factor, term in sorted(zip(row, terms, strict=True), key=lambda pair: -pair[0]):
            if factor not in (0, 1, -1):
                term, factor = abs(factor) * term, factor / abs(factor)
            if factor > 0:
                total = term if total is None else total + term
            elif factor < 0:
                total = -term if total is None else total - term
        sums.append(total)
    return sums


def _transposed(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]


def _flat(x):
    return tf.reshape(x, [-1, x.shape[-1]])


def _halves(x, axis):
    """Even and odd rows (axis 1) or columns (axis 2)."""
    shape = x.shape.as_list()
    pairs = tf.reshape(x, [-1, *shape[1:axis], shape[axis] // 2, 2, *shape[axis + 1 :]])
    return tf.unstack(pairs, axis=axis + 1)


def _joined(halves, axis):
    """The transpose, and the inverse, of `_halves`."""
    shape = halves[0].shape.as_list()
    shape[axis] *= 2
    return tf.reshape(tf.stack(halves, axis=axis + 1), [-1, *shape[1:]])


def _moved(x, by, axis):
    """x moved one place on (1) or back (-1) along an axis; zeros move in."""
    paddings, begin, size = [[0, 0]] * 4, [0] * 4, [-1] * 4
    paddings[axis] = [1, 0] if by > 0 else [0, 1]
    begin[axis] = 0 if by > 0 else 1
    size[axis] = x.shape[axis]
    return tf.slice(tf.pad(x, paddings), begin, size)
