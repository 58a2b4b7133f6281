"""Decode one image and resize it, as operations of a graph."""

from typing import Literal

import tensorflow as tf

__all__ = ["decode_pixels", "exif_orientation", "fit_pixels", "has_exif", "upright"]

_RATIOS = (1, 2, 4, 8)  # by which libjpeg decodes smaller, at a fraction of the time and memory
_BMP_HEADER = 14
_HEAD = 1024  # bytes; the tags of the first directory are at the very beginning
_EXIF = (0x7845, 0x6669)  # "Ex", "if"
# Tag 0x0112, a 16-bit number, one of it, in either order of bytes; and where the number's low byte follows.
_LITTLE, _LITTLE_VALUE = (0x12, 0x01, 3, 0, 1, 0, 0, 0), 8
_BIG, _BIG_VALUE = (0x01, 0x12, 0, 3, 0, 0, 0, 1), 9


def has_exif(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a JPEG, a scalar string, has EXIF data: a scalar bool, by few operations."""
    # "Exif" is in the first segment, at byte 6, or in the second behind JFIF's, which has 18 bytes.
    pairs = tf.gather(tf.io.decode_raw(encoded, tf.uint16, fixed_length=28), [[3, 4], [12, 13]])
    return tf.reduce_any(tf.reduce_all(pairs == _EXIF, axis=1))


def exif_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Read the orientation of one JPEG.

    Args:
        encoded: a scalar string, a JPEG of which `has_exif` holds.

    Returns:
        int32, 1 to 8 as the EXIF standard numbers them; 1, unchanged, where the image does not say.
    """
    head = tf.io.decode_raw(encoded, tf.uint8, fixed_length=_HEAD)  # zeros behind a shorter one
    places = _HEAD - 16

    def number(tag: tuple[int, ...], offset: int) -> tf.Tensor:
        here = tf.reduce_all(tf.stack([head[i : i + places] == byte for i, byte in enumerate(tag)]), axis=0)
        value = tf.cast(head[tf.argmax(here) + offset], tf.int32)
        return tf.where(tf.reduce_any(here), value, 0)

    found = number(_LITTLE, _LITTLE_VALUE) + number(_BIG, _BIG_VALUE)
    return tf.where((found >= 1) & (found <= 8), found, 1)


def upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn and mirror an image as its EXIF orientation says.

    Args:
        pixels: (h, w, channels).
        orientation: from `exif_orientation`.

    Returns:
        (h, w, channels), or (w, h, channels) for orientations above 4.
    """

    def turned(transposed: bool, upside_down: bool, mirrored: bool) -> tf.Tensor:
        seen = tf.transpose(pixels, [1, 0, 2]) if transposed else pixels
        axes = [axis for axis, flipped in enumerate((upside_down, mirrored)) if flipped]
        return tf.reverse(seen, axes) if axes else seen

    ways = [
        (False, False, False),
        (False, False, True),
        (False, True, True),
        (False, True, False),
        (True, False, False),
        (True, False, True),
        (True, True, True),
        (True, True, False),
    ]
    return tf.switch_case(orientation - 1, [lambda way=way: turned(*way) for way in ways])


def decode_pixels(encoded: tf.Tensor, channels: int, size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode one image, a large JPEG at a fraction of its size that is at least twice the wanted one.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as it stays twice the wanted size in both directions. The
    rest is left to an antialiased resizing, which by a factor of two or more hides what the coarse reduction does
    wrong; Pillow's thumbnails follow the same rule (`reducing_gap=2.0`). A JPEG's cosine transform is the accurate one,
    so that the pixels equal those of Pillow, and an image's pixels do not depend on who decoded it. It is turned by its
    EXIF orientation.

    Args:
        encoded: a scalar string: JPEG, PNG (8 or 16 bits), BMP (8, 24 or 32 bits) or GIF (its first image).
        channels: 1 (grey: 0.2989 R + 0.5870 G + 0.1140 B) or 3; transparency is ignored.
        size: the wanted height and width.

    Returns:
        uint8 (h, w, channels), and float32 (2,), the height and width that the whole image takes in it; they may be
        up to a pixel less than h and w.

    Raises:
        tf.errors.InvalidArgumentError: no such image, or one that is cut short.
    """

    def jpeg() -> tuple[tf.Tensor, tf.Tensor]:
        extent = tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.float32)
        return tf.cond(has_exif(encoded), lambda: turned(extent), lambda: stored(extent, tf.constant(size, tf.float32)))

    def turned(extent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        orientation = exif_orientation(encoded)
        swaps = tf.where(orientation > 4, [1, 0], [0, 1])  # of height and width
        pixels, extent = stored(extent, tf.gather(tf.constant(size, tf.float32), swaps))
        return upright(pixels, orientation), tf.gather(extent, swaps)

    def stored(extent: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shrinks = tf.reduce_min(extent / target)
        place = tf.reduce_sum(tf.cast(shrinks >= [2.0 * ratio for ratio in _RATIOS[1:]], tf.int32))
        pixels = tf.switch_case(place, [lambda ratio=ratio: reduced(ratio) for ratio in _RATIOS])
        return pixels, extent / tf.gather(tf.constant(_RATIOS, tf.float32), place)

    def reduced(ratio: int) -> tf.Tensor:
        return tf.io.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    def other() -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.cond(_has_bmp_palette(encoded), lambda: _decode_bmp_palette(encoded), decoded)
        return pixels, tf.cast(tf.shape(pixels)[:2], tf.float32)

    def decoded() -> tf.Tensor:
        return tf.io.decode_image(encoded, 3, expand_animations=False)

    pixels, extent = tf.cond(tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff", jpeg, other)
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    return (tf.image.rgb_to_grayscale(pixels) if channels == 1 else pixels), tf.ensure_shape(extent, [2])


def fit_pixels(
    pixels: tf.Tensor, extent: tf.Tensor, size: tuple[int, int], fit: Literal["crop", "stretch"]
) -> tf.Tensor:
    """Resize images, bilinear and antialiased as Pillow does it; those of the right size stay as they are.

    Args:
        pixels: uint8 (n, h, w, channels).
        extent: float32 (2,), the height and width that a whole image takes in them.
        size: the wanted height and width.
        fit: `"crop"`: in proportion, the middle; `"stretch"`: all of it.

    Returns:
        uint8 (n, height, width, channels).
    """
    target = tf.constant(size, tf.float32)

    def resized() -> tf.Tensor:
        scale = target / extent
        if fit == "crop":
            scale = tf.repeat(tf.reduce_max(scale), 2)
        real = tf.raw_ops.ScaleAndTranslate(
            images=pixels,
            size=tf.constant(size),
            scale=scale,
            translation=(target - extent * scale) / 2,
            kernel_type="triangle",
            antialias=True,
        )
        return tf.saturate_cast(tf.round(real), tf.uint8)

    right = tf.reduce_all(tf.shape(pixels)[1:3] == tf.constant(size))
    return tf.ensure_shape(tf.cond(right, lambda: pixels, resized), [pixels.shape[0], *size, pixels.shape[3]])


def _has_bmp_palette(encoded: tf.Tensor) -> tf.Tensor:
    """Whether it is a BMP of 8 bits a pixel; `decode_image` takes the indices of those for grey levels."""
    head = tf.io.decode_raw(encoded, tf.uint8, fixed_length=30)
    return tf.reduce_all(tf.gather(head, [0, 1, 28, 29]) == tf.constant([*b"BM", 8, 0], tf.uint8))


def _decode_bmp_palette(encoded: tf.Tensor) -> tf.Tensor:
    def number(at: int) -> tf.Tensor:
        return tf.io.decode_raw(tf.strings.substr(encoded, at, 4), tf.int32)[0]

    start = _BMP_HEADER + number(_BMP_HEADER)
    colours = tf.io.decode_raw(tf.strings.substr(encoded, start, number(10) - start), tf.uint8)
    indices = tf.io.decode_bmp(encoded, channels=0)[:, :, 0]
    return tf.gather(tf.reshape(colours, [-1, 4])[:, 2::-1], tf.cast(indices, tf.int32))  # blue, green, red, unused
