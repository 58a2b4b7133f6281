"""Decode images once into one array, which is cached on disk."""

import errno
import importlib.metadata
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tfconv.data.cache import cached
from tfconv.data.image.headers import BadImage
from tfconv.data.rows.records import reject
from tfconv.errors import InputError, check_whole
from tfconv.files import write_json
from tfconv.progress import progress

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Decoding", "EncodedImages", "Measured", "check_decoding", "decoded_images"]

_LAYOUT = 2  # of the cache; to be raised when the same files would give other pixels
_BATCH = 256


class Decoding(NamedTuple):
    """What images are brought to, as in `ImagePreprocess`; None: found from the images."""

    size: tuple[int, int] | None = None
    fit: Literal["crop", "stretch"] = "crop"
    channels: int | None = None


class Measured(NamedTuple):
    """What the headers of images tell: the size that all have, or None; 1 channel where all are grey; bad images."""

    size: tuple[int, int] | None
    channels: int
    bad: dict[int, BadImage]


class EncodedImages(NamedTuple):
    """Encoded images in order.

    Args:
        source: what they are called in the cache, such as their folder.
        identity: differs when any of the images does.
        places: where each one is, for messages.
        measured: looks at them before any is decoded.
        encoded: from the indices wanted to a data set of (index, item).
        read: from an item to the encoded image, inside the graph.
    """

    source: str
    identity: bytes
    places: Sequence[str]
    measured: Callable[[], Measured]
    encoded: Callable[[np.ndarray], "tf.data.Dataset"]
    read: Callable[["tf.Tensor"], "tf.Tensor"]


def check_decoding(
    size: int | tuple[int, int] | None, fit: Literal["crop", "stretch"] = "crop", channels: int | None = None
) -> Decoding:
    """Check the settings of an image source, before TensorFlow is imported.

    Raises:
        InputError: a size that is no whole number or pair of them, another `fit`, `channels` not 1, 3 or None.
    """
    sides = [] if size is None else list(size) if isinstance(size, (tuple, list)) else [size, size]
    for side in sides:
        check_whole("size", side, bits=16)
    if len(sides) not in (0, 2):
        raise InputError(f"size must be one number, or height and width, got {size!r:.60}")
    if fit not in ("crop", "stretch"):
        raise InputError(f"fit must be 'crop' or 'stretch', got {fit!r:.60}")
    if channels not in (None, 1, 3):
        raise InputError(f"channels must be 1 or 3, got {channels!r:.60}")
    return Decoding((int(sides[0]), int(sides[1])) if sides else None, fit, channels)


def decoded_images(images: EncodedImages, decoding: Decoding, *, skip: bool) -> tuple[np.ndarray, dict[int, BadImage]]:
    """Decode images into one array, or open what an earlier call decoded.

    The cache is `decoded/` in `data_directory()`, or in ~/.cache/tfconv where that one cannot be written or is full;
    it holds the last state of each source and setting. Where neither will do, the pixels are in a temporary file that
    goes with the process, and a line says so. Processes that want the same images wait for the first.

    Args:
        images: what to decode.
        decoding: what to bring them to. Without a size: the common one if it is not above 64, else 64 x 64. Without
            channels: 1 where all files are grey, else 3.
        skip: leave bad images out in place of an error.

    Returns:
        uint8 (n, height, width, channels), a memory map; and what is wrong with the images that could not be decoded,
        by index, whose pixels are 0.

    Raises:
        InputError: a bad image and `skip` is false; or there is no room anywhere.
    """
    store, broken = cached(
        "decoded",
        "decoded images",
        f"{images.source} {_LAYOUT} {importlib.metadata.version('tensorflow')} {decoding}",
        images.identity,
        make=lambda folder: _decode_into(folder, images, decoding, skip),
        opened=_opened,
        reopened=False,
    )
    if not skip:
        _refuse(images, broken)
    return store, broken


def _opened(entry: Path) -> tuple[np.ndarray, dict[int, BadImage]] | None:
    try:
        store = np.load(entry / "pixels.npy", mmap_mode="r")
        broken = json.loads((entry / "broken.json").read_bytes())
    except (OSError, ValueError, EOFError):  # absent, or damaged from outside
        return None
    return store, {int(index): BadImage(*words) for index, words in broken.items()}


def _decode_into(folder: Path, images: EncodedImages, decoding: Decoding, skip: bool) -> None:
    """Write `pixels.npy` and `broken.json`; batch by batch, so that memory does not grow with the images."""
    common, channels, broken = images.measured()
    if not skip:
        _refuse(images, broken)
    size = decoding.size or (common if common and max(common) <= 64 else (64, 64))
    channels = decoding.channels or channels
    decoding = Decoding(size, decoding.fit, channels)
    shape = (len(images.places), *size, channels)
    needed, free = int(np.prod(shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB are free")
    wanted = np.setdiff1d(np.arange(shape[0]), list(broken))
    with (
        open(folder / "pixels.npy", "wb") as file,
        progress("decoding", images.source, len(wanted), "images") as advance,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start, stride = file.tell(), int(np.prod(shape[1:]))
        for indices, pixels in _batches(images, wanted, decoding, broken, skip):
            for run in np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) != 1) + 1):
                file.seek(start + int(indices[run[0]]) * stride)
                file.write(pixels[run[0] : run[-1] + 1].data)
            advance(len(indices))
        file.truncate(start + needed)  # bad images are holes, which read as 0
    write_json(folder / "broken.json", {index: (str(problem), problem.remedy) for index, problem in broken.items()})


def _batches(
    images: EncodedImages, wanted: np.ndarray, decoding: Decoding, broken: dict[int, BadImage], skip: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices and pixels; what is wrong with the images between them goes into `broken`."""
    import tensorflow as tf

    from tfconv.data.image.preprocess import ImagePreprocess

    size, fit, channels = decoding
    preprocess = ImagePreprocess(size or 64, fit=fit, channels=channels or 3)

    def decode(index: tf.Tensor, item: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, preprocess.decode_one(images.read(item))

    def missing(indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index, item in images.encoded(indices):
            try:
                yield index.numpy()[None], decode(index, item)[1].numpy()[None]
            except tf.errors.OpError as error:
                broken[int(index)] = BadImage(f"broken or cut short ({_reason(error)})")
                if not skip:
                    _refuse(images, broken)

    dataset = images.encoded(wanted).map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    done = 0
    for indices, pixels in dataset.ignore_errors().batch(_BATCH).prefetch(2).as_numpy_iterator():
        upto = int(np.searchsorted(wanted, indices[-1])) + 1
        if upto - done != len(indices):
            yield from missing(np.setdiff1d(wanted[done:upto], indices))
        done = upto
        yield indices, pixels
    yield from missing(wanted[done:])


def _reason(error: Exception) -> str:
    """TensorFlow's words without the names of its nodes."""
    words = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*", "", str(error), flags=re.DOTALL)
    return f"{words.strip():.120}"


def _refuse(images: EncodedImages, broken: dict[int, BadImage]) -> None:
    if broken:
        index = min(broken)
        more = f" (and {len(broken) - 1:,} more are bad)" if len(broken) > 1 else ""
        reject(images.places[index], f"{broken[index]}{more}", broken[index].remedy, None)
