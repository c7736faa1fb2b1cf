"""The part of a picture that shows its object, as CUB is cropped."""

from collections.abc import Sequence


def square_crop(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """A square around a box's middle, half side 0.75 · max(width, height), cut at the edges.

    Args: box: (x, y, width, height) in pixels. width, height: of the picture.
    Returns: (x, y, width, height) in whole pixels.
    Raises: ValueError: when the box has no area or lies outside of the picture.
    """
    x, y, box_width, box_height = box
    if not (box_width > 0 and box_height > 0):
        raise ValueError(f"its box {list(box)} has no area")
    if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
        raise ValueError(f"its box {list(box)} lies outside of its {width} × {height} pixels")
    half = 0.75 * max(box_width, box_height)
    middle_x, middle_y = x + box_width / 2, y + box_height / 2
    left, right = max(0, int(middle_x - half)), min(width, int(middle_x + half))
    top, bottom = max(0, int(middle_y - half)), min(height, int(middle_y + half))
    if right <= left or bottom <= top:
        raise ValueError(f"its box {list(box)} leaves nothing of its {width} × {height} pixels")
    return left, top, right - left, bottom - top
