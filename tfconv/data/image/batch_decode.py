"""Decode images with errors that say which one is at fault, in batches of a graph and from files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfconv.data.image.headers import MOST_PIXELS, image_header
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.errors import InputError

__all__ = ["ImageReader", "decode_batch", "image_names"]

Source = str | os.PathLike[str] | bytes  # a path, or an encoded image
_COMPLAINT = f"is no whole JPEG, PNG, BMP or GIF of at most {MOST_PIXELS // 10**6} million pixels"


class ImageReader:
    """Read and decode images outside of a graph, with errors that name the file.

    Args:
        preprocess: decodes and resizes.
    """

    def __init__(self, preprocess: ImagePreprocess):
        self._preprocess = preprocess
        self._decode = tf.function(
            lambda encoded: decode_batch(preprocess, encoded), input_signature=[tf.TensorSpec([None], tf.string)]
        )

    def __call__(self, images: Sequence[Source], names: Sequence[str] | None = None) -> tf.Tensor:
        """Images to uint8 (n, height, width, channels), of the size that `preprocess` brings them to.

        Args:
            images: paths, or the bytes of encoded images.
            names: what errors call them; default: `image_names`.

        Raises:
            InputError: a file cannot be read, or is no image; the message names it.
        """
        pixels = [self._one(*pair) for pair in zip(images, names or image_names(images), strict=True)]
        return tf.concat([tf.zeros((0, *self._preprocess.size, self._preprocess.channels), tf.uint8), *pixels], axis=0)

    def _one(self, image: Source, name: str) -> tf.Tensor:
        try:
            if not isinstance(image, bytes):
                image_header(os.fspath(image))  # its messages say more than those of the graph can
                image = Path(image).read_bytes()
            return self._decode(tf.constant([image]))
        except (ValueError, OSError) as error:  # BadImage, or a NUL in the name
            raise InputError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
        except tf.errors.OpError:
            raise InputError(f"{name} {_COMPLAINT}") from None


def image_names(images: Sequence[Source]) -> list[str]:
    """Return names of images for answers and errors: a path as it was given, bytes by their place ("image 3")."""
    return [f"image {place}" if isinstance(image, bytes) else os.fspath(image) for place, image in enumerate(images)]


def decode_batch(preprocess: ImagePreprocess, encoded: tf.Tensor) -> tf.Tensor:
    """Decode and resize in a graph, as `preprocess.decode` does, and name the image that cannot be decoded.

    An operation's error ends a graph and does not say which element of a batch it met. `tf.data` alone can go on after
    one: so the batch is decoded as the single element of a data set that leaves out elements with errors. If that is
    then empty, a second pass finds the first image at fault. The data set costs 0.1 ms a call, hence a single
    image is decoded without: it can only be number 0, and the operation's name, which is in its error, says so.

    Args:
        preprocess: decodes and resizes.
        encoded: strings (n,).

    Returns:
        uint8 (n, height, width, channels).

    Raises:
        tf.errors.InvalidArgumentError: "image 3 of the batch (counted from 0) is no whole JPEG, ...".
    """
    shape = (*preprocess.size, preprocess.channels)
    huge = _claimed_pixels(encoded) > MOST_PIXELS

    def one(image: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([_check_jpeg_size(image)]):
            return preprocess.decode_one(tf.identity(image))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # traced once for its two places
    def all_of(images: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(one, images, fn_output_signature=tf.TensorSpec(shape, tf.uint8))

    def single() -> tf.Tensor:
        with tf.name_scope("image_0_of_the_batch"):
            return one(encoded[0])[None]

    def several() -> tf.Tensor:
        return _only_element(tf.data.Dataset.from_tensors(encoded).map(all_of), tf.zeros((0, *shape), tf.uint8))

    def first_at_fault() -> tf.Tensor:
        count = tf.size(encoded, tf.int64)
        slices = tf.data.Dataset.from_tensor_slices((encoded, tf.range(count)))
        # A pixel goes on: were all dropped in `map`, the decoding would be dropped as well.
        decoded = slices.map(lambda image, place: (place, all_of(image[None])[0, 0, 0, 0]))
        none = tf.zeros(0, tf.int64), tf.zeros(0, tf.uint8)
        fine = _only_element(decoded.ignore_errors().batch(count), none)[0]
        in_a_row = tf.cast(fine == tf.range(tf.size(fine, tf.int64)), tf.int64)
        return tf.reduce_sum(tf.math.cumprod(in_a_row))

    with tf.control_dependencies([_refuse_if(tf.reduce_any(huge), lambda: tf.argmax(huge))]):
        pixels = tf.cond(tf.size(encoded) == 1, single, several)
    with tf.control_dependencies([_refuse_if(tf.shape(pixels)[0] != tf.size(encoded), first_at_fault)]):
        return tf.ensure_shape(tf.identity(pixels), [None, *shape])


def _claimed_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """The number of pixels that the headers of PNG, BMP, GIF and WebP claim, int64 (n,), as `image_header` reads them.

    0 for others: a JPEG's size is not at its beginning.
    """
    words = tf.cast(tf.io.decode_raw(encoded, tf.int32, little_endian=False, fixed_length=24), tf.int64)
    pairs = tf.cast(tf.io.decode_raw(encoded, tf.uint16, fixed_length=30), tf.int64)

    def webp() -> tf.Tensor:
        bits = pairs[:, 10] // 256 + pairs[:, 11] * 256 + pairs[:, 12] * 256**3
        extended = (pairs[:, 12] + pairs[:, 13] % 256 * 256**2 + 1) * (pairs[:, 13] // 256 + pairs[:, 14] * 256 + 1)
        lossless = (bits % 2**14 + 1) * (bits // 2**14 % 2**14 + 1)
        others = (pairs[:, 13] % 2**14) * (pairs[:, 14] % 2**14)
        claimed = tf.where(words[:, 3] == _word(b"VP8L"), lossless, others)
        claimed = tf.where(words[:, 3] == _word(b"VP8X"), extended, claimed)
        return tf.where(is_webp, claimed, 0)

    is_webp = words[:, 2] == _word(b"WEBP")
    claimed = tf.cond(tf.reduce_any(is_webp), webp, lambda: tf.zeros_like(words[:, 0]))
    bmp = tf.abs(_signed(pairs[:, 9] + pairs[:, 10] * 2**16) * _signed(pairs[:, 11] + pairs[:, 12] * 2**16))
    claimed = tf.where(pairs[:, 0] == int.from_bytes(b"BM", "little"), bmp, claimed)
    claimed = tf.where(pairs[:, 0] == int.from_bytes(b"GI", "little"), pairs[:, 3] * pairs[:, 4], claimed)
    return tf.where(words[:, 0] == _word(b"\x89PNG"), words[:, 4] * words[:, 5], claimed)


def _signed(word: tf.Tensor) -> tf.Tensor:
    """A number of 32 bits of which the highest is the sign."""
    return (word + 2**31) % 2**32 - 2**31


def _word(four: bytes) -> int:
    return int.from_bytes(four, "big", signed=True)


def _check_jpeg_size(encoded: tf.Tensor) -> tf.Operation:
    """Refuse one JPEG of too many pixels; an operation follows its chain of segments to the size."""
    is_jpeg = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    size = tf.cond(is_jpeg, lambda: tf.image.extract_jpeg_shape(encoded, tf.int64)[:2], lambda: tf.zeros(2, tf.int64))
    return _refuse_if(tf.reduce_prod(size) > MOST_PIXELS, lambda: tf.constant(0, tf.int64))


def _refuse_if(bad: tf.Tensor, position: Callable[[], tf.Tensor]) -> tf.Operation:
    def refuse() -> tf.Operation:
        message = ["image ", tf.strings.as_string(position()), f" of the batch (counted from 0) {_COMPLAINT}"]
        return tf.debugging.Assert(False, [tf.strings.join(message)])

    return tf.cond(bad, refuse, tf.no_op)


def _only_element(dataset: tf.data.Dataset, otherwise: Any) -> Any:
    """The element of a data set of one, or `otherwise` where an error took it."""
    tried = dataset.ignore_errors().concatenate(tf.data.Dataset.from_tensors(otherwise)).take(1)
    options = tf.data.Options()  # no tuning and rewriting, which take longer than what they could gain here
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return tried.with_options(options).get_single_element()
