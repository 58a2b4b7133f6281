"""Picture files as a source of pictures to decode, and from labelled rows of any source to an `ImageData`."""

import contextlib
import errno
import importlib.metadata
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tfconv.checks import check_whole
from tfconv.data.assembly import assemble
from tfconv.data.cache import opened_or_made, read_back
from tfconv.data.image.dataset import ImageData, ImageExamples
from tfconv.data.image.headers import BadPicture, picture_header
from tfconv.data.rows.columns import Columns
from tfconv.data.rows.labelled import LabelledRow
from tfconv.data.rows.records import reject
from tfconv.errors import InputError
from tfconv.files import write_json

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Decoding", "Measured", "Pictures", "case_twins", "check_decoding", "decoded", "image_data", "picture_files"]


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

    from tfconv.data.image.preprocess import ImagePreprocess

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


def check_decoding(
    size: int | tuple[int, int] | None, fit: Literal["crop", "stretch"] = "crop", channels: int | None = None
) -> Decoding:
    """The settings of an image source, before TensorFlow is imported.

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


def image_data(
    name: str,
    rows: Sequence[LabelledRow],
    pictures: Callable[[list[LabelledRow]], Pictures],
    decoding: Decoding,
    columns: Columns,
    *,
    skipped: Sequence[str] = (),
    **options: Any,
) -> ImageData:
    """Check rows, decode their pictures, split.

    Args:
        name: the name of the data set.
        rows: one for each picture.
        pictures: from the rows that passed the checks to their pictures.
        decoding: what pictures are brought to.
        columns: as in `assemble`; with `skip` bad rows and pictures are left out.
        skipped: lines on rows left out before.
        **options: as in `assemble`.

    Raises:
        InputError: as `assemble` and `decoded`.
    """
    done = assemble(rows, columns, noun="image", skipped=skipped, **options)
    store, broken = decoded(pictures(done.rows), decoding, skip=columns.skip)
    places = np.arange(len(done.rows))
    if broken:  # without them another label may occur once, and the split is another
        index = {row.where: place for place, row in enumerate(done.rows)}
        notes = [*done.notes, *(f"{done.rows[place].where}: {broken[place]}" for place in sorted(broken))]
        whole = [row for place, row in enumerate(done.rows) if place not in broken]
        done = assemble(whole, columns, noun="image", skipped=notes, **options)
        places = np.array([index[row.where] for row in done.rows])
    examples = {
        split: ImageExamples(store, done.labels[part], places[part].astype(np.int64))
        for split, part in done.parts.items()
    }
    return ImageData(name, done.class_names, examples, done.notes, fit=decoding.fit, task=done.task)


def picture_files(source: str, rows: Sequence[LabelledRow]) -> Pictures:
    """The files whose paths are the rows' texts, as pictures to decode.

    A file counts as changed when its path, size or time of change differs.
    """
    paths = [os.fsencode(os.path.abspath(row.values["image"])) for row in rows]
    stats = np.zeros((len(paths), 2), np.int64)
    for index, path in enumerate(paths):
        try:
            found = os.stat(path)
        except OSError:  # `picture_header` will say so
            continue
        stats[index] = found.st_size, found.st_mtime_ns

    def measured() -> Measured:
        sizes: set[tuple[int, int]] = set()
        channels: set[int] = set()
        bad = {}
        for index, path in enumerate(paths):
            try:
                header = picture_header(path)
                sizes.add(header[:2])
                channels.add(header.channels)
            except BadPicture as error:
                bad[index] = error
        return Measured(sizes.pop() if len(sizes) == 1 else None, max(channels, default=3), bad)

    def encoded(indices: np.ndarray) -> "tf.data.Dataset":
        import tensorflow as tf

        chosen = np.array([paths[index] for index in indices], np.bytes_)
        return tf.data.Dataset.from_tensor_slices((indices, chosen))

    def read(path: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        return tf.io.read_file(path)

    identity = b"\0".join([stats.tobytes(), *paths])
    return Pictures(source, identity, [row.where for row in rows], measured, encoded, read)


def case_twins(names: Iterable[str]) -> dict[str, str]:
    """The names that differ from an earlier one only in case, or in how accents are encoded, with that earlier one.

    Such two are one file on macOS and Windows, so a data set that holds both cannot be copied there.
    """
    first: dict[str, str] = {}
    twins = {}
    for name in names:
        key = name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
        earlier = first.setdefault(key, name)
        if earlier != name:
            twins[name] = earlier
    return twins
