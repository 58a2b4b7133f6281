"""The way up that a camera writes beside a JPEG's pixels (EXIF), as operations of a graph."""

import tensorflow as tf

__all__ = ["exif_orientation", "has_exif", "upright"]

_HEAD = 1024  # bytes; the tags of the first directory stand at the very beginning
_EXIF = (0x7845, 0x6669)  # "Ex", "if"
# Tag 0x0112, a 16-bit number, one of it, in either order of bytes; and where the number's low byte follows.
_LITTLE, _LITTLE_VALUE = (0x12, 0x01, 3, 0, 1, 0, 0, 0), 8
_BIG, _BIG_VALUE = (0x01, 0x12, 0, 3, 0, 0, 0, 1), 9


def has_exif(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a scalar string, a JPEG, says something beside its pixels: a scalar of bool, by few operations."""
    # "Exif" is in the first segment, at byte 6, or in the second behind JFIF's, which has 18 bytes.
    pairs = tf.gather(tf.io.decode_raw(encoded, tf.uint16, fixed_length=28), [[3, 4], [12, 13]])
    return tf.reduce_any(tf.reduce_all(pairs == _EXIF, axis=1))


def exif_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Read the orientation of one JPEG.

    Args:
        encoded: a scalar string, a JPEG of which `has_exif` holds.

    Returns:
        int32, 1 to 8 as the EXIF standard numbers them; 1, as it stands, where the picture does not say.
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
    """Turn and mirror a picture so that it stands as it was seen.

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
