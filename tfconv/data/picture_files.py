"""Picture files as a source of pictures to decode, and from labelled rows of any source to an `ImageData`."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tfconv.data.assembly import assemble
from tfconv.data.decoded_pictures import Decoding, Measured, Pictures, decoded
from tfconv.data.image_examples import ImageData, ImageExamples
from tfconv.data.limits import check_whole
from tfconv.data.picture_headers import BadPicture, picture_header
from tfconv.data.row_readers import LabelledRow
from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["case_twins", "check_decoding", "image_data", "picture_files"]


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
    *,
    skip: bool,
    skipped: Sequence[str] = (),
    **options: Any,
) -> ImageData:
    """Check rows, decode their pictures, split.

    Args:
        name: the name of the data set.
        rows: one for each picture.
        pictures: from the rows that passed the checks to their pictures.
        decoding: what pictures are brought to.
        skip: leave bad rows and pictures out, noting each, in place of an error.
        skipped: lines on rows left out before.
        options: as in `assemble`.

    Raises:
        InputError: as `assemble` and `decoded`.
    """
    options |= {"noun": "picture", "skip": skip}
    done = assemble(rows, skipped=skipped, **options)
    store, broken = decoded(pictures(done.rows), decoding, skip=skip)
    places = np.arange(len(done.rows))
    if broken:  # without them another label may be lonely, and the split is another
        index = {row.where: place for place, row in enumerate(done.rows)}
        notes = [*done.notes, *(f"{done.rows[place].where}: {broken[place]}" for place in sorted(broken))]
        done = assemble([row for place, row in enumerate(done.rows) if place not in broken], skipped=notes, **options)
        places = np.array([index[row.where] for row in done.rows])
    examples = {
        split: ImageExamples(store, done.labels[part], places[part].astype(np.int64))
        for split, part in done.parts.items()
    }
    return ImageData(name, done.class_names, done.multi_label, examples, done.notes, fit=decoding.fit)


def picture_files(source: str, rows: Sequence[LabelledRow]) -> Pictures:
    """The files whose paths are the rows' texts, as pictures to decode.

    A file counts as changed when its path, size or time of change differs.
    """
    paths = [os.fsencode(os.path.abspath(row.text)) for row in rows]
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
