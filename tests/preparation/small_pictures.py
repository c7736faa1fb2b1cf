"""Pictures that tell their colour, as files."""

import numpy as np
from PIL import Image

COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30), "white": (250,) * 3}


def save_picture(path, color="red", size=(40, 30), **options):
    """A picture of one colour with a darker corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), COLORS[color], np.uint8)
    pixels[:8, :8] //= 2
    Image.fromarray(pixels).save(path, **options)
    return path
