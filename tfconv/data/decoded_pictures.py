"""Pictures decoded once: an array on disk that later starts open in no time, whole or absent."""

import contextlib
import errno
import importlib.metadata
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tfconv.data.kept import opened_or_made, read_back
from tfconv.data.picture_headers import BadPicture
from tfconv.data.records import reject
from tfconv.errors import InputError
from tfconv.files import write_json

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Decoding", "Measured", "Pictures", "decoded"]

_LAYOUT = 2  # of the cache; to be raised when the same files would give other pixels
_BATCH = 256


class Decoding(NamedTuple):
    """What images are brought to, as in `ImagePreprocess`; without a `size`, or `channels`, they decide it."""

    size: tuple[int, int] | None = None
    fit: Literal["crop", "stretch"] = "crop"
    channels: int | None = None


class Measured(NamedTuple):
    """What the headers of images say: the size that all have, or None; 1 channel where all are grey; the bad ones."""

    size: tuple[int, int] | None
    channels: int
    bad: dict[int, BadPicture]


class Pictures(NamedTuple):
    """Encoded pictures in order.

    Args:
        source: what they are called in the cache, such as the folder they lie in.
        identity: differs when any of the pictures does.
        places: where each one is, for messages.
        measured: looks at them before any is decoded.
        encoded: from the indices wanted to a data set of (index, item).
        read: from an item to the encoded picture, inside the graph.
    """

    source: str
    identity: bytes
    places: Sequence[str]
    measured: Callable[[], Measured]
    encoded: Callable[[np.ndarray], "tf.data.Dataset"]
    read: Callable[["tf.Tensor"], "tf.Tensor"]


def decoded(pictures: Pictures, decoding: Decoding, *, skip: bool) -> tuple[np.ndarray, dict[int, BadPicture]]:
    """Decode the pictures, or open what an earlier call decoded.

    The cache is `decoded/` in `data_directory()`, or in ~/.cache/tfconv where that one cannot be written or is full;
    it holds the last state of each source and setting. Where neither will do, the pictures lie in a temporary file
    that goes with the process, and a line says so. Processes that want the same pictures wait for the first.

    Args:
        pictures: what to decode.
        decoding: what to bring them to. Without a size: the common one if it is not above 64, else 64 x 64. Without
            channels: 1 where all files are grey, else 3.
        skip: leave bad pictures out in place of an error.

    Returns:
        uint8 (n, height, width, channels), a memory map; and what is wrong with the pictures that could not be
        decoded, by index, whose pixels are 0.

    Raises:
        InputError: a bad picture and `skip` is false; or there is no room anywhere.
    """
    settings = f"{_LAYOUT} {importlib.metadata.version('tensorflow')} {decoding}"
    found, nowhere = opened_or_made(
        "decoded",
        f"{pictures.source} {settings}",
        pictures.identity,
        make=lambda folder: _decode_into(folder, pictures, decoding, skip),
        opened=_opened,
    )
    store, broken = found or _kept_by_this_process(pictures, decoding, skip, nowhere)
    if not skip:
        _refuse(pictures, broken)
    return store, broken


def _kept_by_this_process(
    pictures: Pictures, decoding: Decoding, skip: bool, reason: str
) -> tuple[np.ndarray, dict[int, BadPicture]]:
    from rich.console import Console

    line = f"pictures are decoded for this process only: the result can be kept neither in {reason}"
    Console(stderr=True).print(line, soft_wrap=True, highlight=False, markup=False)
    try:
        with tempfile.TemporaryDirectory(prefix="tfconv-") as folder:  # the map outlives the names
            _decode_into(Path(folder), pictures, decoding, skip)
            return read_back(_opened, Path(folder))
    except OSError as error:
        raise InputError(
            f"no room for the decoded pictures in {reason} nor {tempfile.gettempdir()} ({error.strerror}); make room, "
            "choose a smaller size, or name another folder in TFCONV_DATA_DIR"
        ) from error


def _opened(entry: Path) -> tuple[np.ndarray, dict[int, BadPicture]] | None:
    try:
        store = np.load(entry / "pixels.npy", mmap_mode="r")
        broken = json.loads((entry / "broken.json").read_bytes())
    except (OSError, ValueError, EOFError):  # absent, or damaged from outside
        return None
    return store, {int(index): BadPicture(*words) for index, words in broken.items()}


def _decode_into(folder: Path, pictures: Pictures, decoding: Decoding, skip: bool) -> None:
    """Write `pixels.npy` and `broken.json`; batch by batch, so that memory does not grow with the pictures."""
    common, channels, broken = pictures.measured()
    if not skip:
        _refuse(pictures, broken)
    size = decoding.size or (common if common and max(common) <= 64 else (64, 64))
    channels = decoding.channels or channels
    decoding = Decoding(size, decoding.fit, channels)
    shape = (len(pictures.places), *size, channels)
    needed, free = int(np.prod(shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB are free")
    wanted = np.setdiff1d(np.arange(shape[0]), list(broken))
    with open(folder / "pixels.npy", "wb") as file, _progress(pictures.source, len(wanted)) as advance:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start, stride = file.tell(), int(np.prod(shape[1:]))
        for indices, pixels in _batches(pictures, wanted, decoding, broken, skip):
            for run in np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) != 1) + 1):
                file.seek(start + int(indices[run[0]]) * stride)
                file.write(pixels[run[0] : run[-1] + 1].data)
            advance(len(indices))
        file.truncate(start + needed)  # bad pictures are holes, which read as 0
    write_json(folder / "broken.json", {index: (str(problem), problem.remedy) for index, problem in broken.items()})


def _batches(
    pictures: Pictures, wanted: np.ndarray, decoding: Decoding, broken: dict[int, BadPicture], skip: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices and pixels; what is wrong with the pictures between them goes into `broken`."""
    import tensorflow as tf

    from tfconv.data.image import ImagePreprocess

    size, fit, channels = decoding
    preprocess = ImagePreprocess(size or 64, fit=fit, channels=channels or 3)

    def decode(index: tf.Tensor, item: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, preprocess.decode_one(pictures.read(item))

    def missing(indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index, item in pictures.encoded(indices):
            try:
                yield index.numpy()[None], decode(index, item)[1].numpy()[None]
            except tf.errors.OpError as error:
                broken[int(index)] = BadPicture(f"broken or cut short ({_reason(error)})")
                if not skip:
                    _refuse(pictures, broken)

    dataset = pictures.encoded(wanted).map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
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


def _refuse(pictures: Pictures, broken: dict[int, BadPicture]) -> None:
    if broken:
        index = min(broken)
        more = f" (and {len(broken) - 1:,} more are bad)" if len(broken) > 1 else ""
        reject(pictures.places[index], f"{broken[index]}{more}", broken[index].remedy, None)


@contextlib.contextmanager
def _progress(source: str, count: int) -> Iterator[Callable[[int], None]]:
    """A progress bar with the time left on a terminal's standard error, one line elsewhere."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"decoding {count:,} pictures of {source}", soft_wrap=True, highlight=False, markup=False)
    columns = (
        progress.TextColumn("decoding"), progress.BarColumn(), progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )  # fmt: skip
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("decoding", total=count)
        yield lambda number: bar.advance(task, number)
