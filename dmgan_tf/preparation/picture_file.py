"""An untrusted picture file: looked at, and made what training reads, or refused with a reason.

Whatever is an ordinary RGB JPEG or PNG stays as it is, byte for byte. Everything else becomes an
RGB PNG: upright by its EXIF orientation, grey and palette in colour, 16 bits as 8, CMYK as RGB, the
first frame of an animation, what is transparent on white.
"""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from dmgan_tf.preparation.limits import Limits
from dmgan_tf.preparation.picture_place import Cell, Span, read_bytes

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # none that runs a program
_ORIENTATION, _OTHERWISE = 0x0112, range(2, 9)
TURNED = "turned upright by EXIF"  # in Picture.changed
_END_OF_PNG = b"IEND\xaeB`\x82"  # a chunk's name and its checksum


class Picture(NamedTuple):
    """Bytes of a JPEG or PNG that TensorFlow reads, and what was changed to make it one."""

    content: bytes
    width: int
    height: int
    changed: tuple[str, ...]


class PictureError(ValueError):
    """A picture that can't be used; the message is the reason."""


def read_picture(
    path: Path, within: Span | Cell | None = None, limits: Limits | None = None
) -> Picture:
    """Reads, checks to the last pixel, and converts where needed.

    Args: within: see `Entry`. limits: smaller and thinner pictures are refused.
    Raises: PictureError.
    """
    try:
        content = read_bytes(path, within)
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(str(error)) from error
    if not content:
        raise PictureError("is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _checked(content, limits or Limits())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError("holds too many pixels") from error
    except UnidentifiedImageError as error:
        raise PictureError("is no picture of a known format") from error
    except PictureError:
        raise
    except Exception as error:  # a decoder may fail in any way on a damaged file
        reason = " ".join(str(error).split())[:100]
        raise PictureError(f"is damaged or cut short: {reason}") from error


def _checked(content, limits):
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        width, height = image.size
        if min(width, height) < limits.least_side:
            raise PictureError(f"is too small: {width} × {height} pixels")
        if max(width, height) > limits.most_aspect * min(width, height):
            raise PictureError(f"is too thin: {width} × {height} pixels")
        if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
            raise PictureError("holds 32-bit numbers, of which white is not known")
        image.load()
        changed = _changes(image)
        whole = image.format != "PNG" or _END_OF_PNG in content
        if image.format in ("JPEG", "PNG") and whole and not changed:
            return Picture(content, width, height, ())
        upright = _to_rgb(ImageOps.exif_transpose(image))
    buffer = io.BytesIO()
    upright.save(buffer, format="PNG")
    changed = changed or (f"{image.format} made PNG" if whole else "PNG without an end mended",)
    return Picture(buffer.getvalue(), *upright.size, changed)


def _changes(image):
    """What of a picture TensorFlow would read wrongly or not at all."""
    found = []
    if image.getexif().get(_ORIENTATION) in _OTHERWISE:
        found.append(TURNED)
    if getattr(image, "n_frames", 1) > 1:
        found.append("first frame of an animation")
    if image.mode.startswith("I"):
        found.append("16 bits made 8")
    elif image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        found.append("put on white where transparent")
    elif image.mode != "RGB":
        found.append(f"{image.mode} made RGB")
    return tuple(found)


def _to_rgb(image):
    if image.mode.startswith("I"):
        # Pillow would cut off at 255 instead of scaling.
        return image.convert("I").point(lambda v: v / 256.0).convert("L").convert("RGB")
    if image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
