"""Pictures with their captions below them, for people to look at."""

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dmgan_tf.inference.image_grid import enlarge, image_grid

_LINE_HEIGHT = 13
_FONT_SIZE = 11


def captioned_grid(
    images: np.ndarray, captions: Sequence[str], columns: int = 4, shown_side: int = 192
) -> np.ndarray:
    """One picture of all, enlarged to about `shown_side` pixels, each above its caption.

    Args: images: uint8 [B, side, side, 3]. captions: B of them.
    Returns: uint8 [height, width, 3].
    """
    side = images.shape[1] * max(1, shown_side // images.shape[1])
    images = enlarge(images, side)
    texts = [textwrap.wrap(caption, side // 6) for caption in captions]
    height = side + _LINE_HEIGHT * max(map(len, texts)) + 6
    font = ImageFont.load_default(_FONT_SIZE)
    tiles = []
    for image, lines in zip(images, texts, strict=True):
        tile = Image.new("RGB", (side, height), "white")
        tile.paste(Image.fromarray(image), (0, 0))
        draw = ImageDraw.Draw(tile)
        for i, line in enumerate(lines):
            draw.text((2, side + 3 + i * _LINE_HEIGHT), line, fill="black", font=font)
        tiles.append(np.asarray(tile))
    rows = [np.stack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return image_grid(rows, gap=8)
