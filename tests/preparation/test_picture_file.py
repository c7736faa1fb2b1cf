"""Strangers' pictures: read as a person sees them, or refused with a reason."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.preparation.picture_file import PictureError, read_picture

RED, WHITE = (200, 40, 40), (255, 255, 255)
SIZE = (24, 16)


def picture(color=RED, mode="RGB"):
    return Image.new("RGB", SIZE, color).convert(mode)


@pytest.fixture
def read(tmp_path):
    """Function: saves a picture, reads it → (Picture, pixels as TensorFlow sees them)."""

    def save_and_read(image, name="a.png", **options):
        path = tmp_path / name
        image.save(path, **options)
        found = read_picture(path)
        pixels = tf.io.decode_image(found.content, 3, expand_animations=False).numpy()
        assert pixels.shape == (found.height, found.width, 3)
        return found, pixels.astype(int)

    return save_and_read


def near(pixels, color, tolerance=4):
    return np.abs(pixels - np.array(color)).max() <= tolerance


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_ordinary_pictures_stay_byte_for_byte(tmp_path, read, name):
    found, pixels = read(picture(), name)
    assert found.content == (tmp_path / name).read_bytes()
    assert found.changed == ()
    assert near(pixels, RED)


@pytest.mark.parametrize(
    ("mode", "name", "change"),
    [
        ("CMYK", "a.jpg", "CMYK made RGB"),
        ("L", "a.jpg", "L made RGB"),
        ("P", "a.png", "P made RGB"),
        ("1", "a.png", "1 made RGB"),
        ("RGB", "a.webp", "WEBP made PNG"),
        ("RGB", "a.bmp", "BMP made PNG"),
        ("RGB", "a.tiff", "TIFF made PNG"),
    ],
)
def test_other_kinds_become_rgb(read, mode, name, change):
    found, pixels = read(picture(mode=mode), name)
    assert found.changed == (change,)
    expected = np.asarray(picture(mode=mode).convert("RGB"), int)
    assert np.abs(pixels - expected).max() <= 6


def test_sixteen_bits_are_scaled_and_not_cut_off(read):
    values = np.linspace(0, 65535, SIZE[0] * SIZE[1]).reshape(SIZE[1], SIZE[0]).astype(np.uint16)
    found, pixels = read(Image.fromarray(values))
    assert found.changed == ("16 bits made 8",)
    assert np.abs(pixels[..., 0] - values / 257.0).max() <= 1.5


def test_transparent_parts_are_white(read):
    image = Image.new("RGBA", SIZE, (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 12, 16))
    found, pixels = read(image)
    assert found.changed == ("put on white where transparent",)
    assert near(pixels[:, :12], WHITE) and near(pixels[:, 12:], RED)


def test_transparent_palette_is_white_too(read):
    image = Image.new("P", SIZE, 1)
    image.putpalette([0, 0, 0, *RED])
    found, pixels = read(image, "a.gif", transparency=1)
    assert "put on white where transparent" in found.changed
    assert near(pixels, WHITE)


def test_exif_orientation_is_applied(read):
    image = picture()
    image.paste((0, 0, 255), (0, 0, 24, 8))  # blue above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right
    found, pixels = read(image, "a.jpg", exif=exif, quality=95)
    assert (found.width, found.height) == (16, 24)
    assert found.changed == ("turned upright by EXIF",)
    assert near(pixels[4:-4, 12:], (0, 0, 255), 40) and near(pixels[4:-4, :4], RED, 40)


def test_of_an_animation_the_first_frame_is_kept(read):
    frames = [picture(color) for color in (RED, (0, 0, 255))]
    found, pixels = read(frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert "first frame of an animation" in found.changed
    assert near(pixels, RED, 8)


def png_of(width, height):
    """A small PNG file that says it is this large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def jpeg():
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(buffer, format="JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "is no picture of a known format"),
        (jpeg()[: len(jpeg()) // 2], "is damaged or cut short"),
        (jpeg()[:100], "is damaged or cut short|is no picture"),
        (png_of(24, 16), "is damaged or cut short"),
        (png_of(60_000, 60_000), "holds too many pixels"),
        (png_of(2, 2), "is too small: 2 × 2 pixels"),
        (png_of(8, 8000), "is too thin: 8 × 8000 pixels"),
    ],
    ids=["empty", "text", "half", "header", "short data", "bomb", "tiny", "thin"],
)
def test_bad_file_is_refused_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=reason):
        read_picture(path)


@pytest.mark.parametrize("cut", [1, 12, 16])
def test_png_without_its_end_is_given_one(tmp_path, cut):
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:-cut])
    found = read_picture(tmp_path / "b.png")
    assert found.changed == ("PNG without an end mended",)
    assert near(tf.io.decode_image(found.content, 3).numpy().astype(int), RED)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_picture_of_32_bits_is_refused(tmp_path, dtype):
    Image.fromarray(np.ones((16, 24), dtype)).save(tmp_path / "a.tiff")
    with pytest.raises(PictureError, match="holds 32-bit numbers, of which white is not known"):
        read_picture(tmp_path / "a.tiff")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(PictureError, match="cannot be read: No such file"):
        read_picture(tmp_path / "absent.jpg")
