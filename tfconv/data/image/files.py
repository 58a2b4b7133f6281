"""Image files, and data sets of images from labelled rows of any source."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.data.assembly import assemble
from tfconv.data.image.dataset import ImageData, ImageExamples
from tfconv.data.image.headers import BadImage, image_header
from tfconv.data.image.store import Decoding, EncodedImages, Measured, decoded_images
from tfconv.data.rows.columns import Columns
from tfconv.data.rows.labelled import LabelledRow

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["case_twins", "image_data", "image_files"]


def image_data(
    name: str,
    rows: Sequence[LabelledRow],
    images: Callable[[list[LabelledRow]], EncodedImages],
    decoding: Decoding,
    columns: Columns,
    *,
    skipped: Sequence[str] = (),
    **options: Any,
) -> ImageData:
    """Make a data set: check rows, decode their images, split.

    Args:
        name: the name of the data set.
        rows: one for each image.
        images: from the rows that passed the checks to their images.
        decoding: what images are brought to.
        columns: as in `assemble`; with `skip` bad rows and images are left out.
        skipped: lines on rows left out before.
        **options: as in `assemble`.

    Raises:
        InputError: as `assemble` and `decoded_images`.
    """
    done = assemble(rows, columns, noun="image", skipped=skipped, **options)
    store, broken = decoded_images(images(done.rows), decoding, skip=columns.skip)
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


def image_files(source: str, rows: Sequence[LabelledRow]) -> EncodedImages:
    """The image files whose paths are in the rows.

    A file counts as changed when its path, size or time of change differs.

    Args:
        source: what they are called in the cache.
        rows: one for each file.
    """
    paths = [os.fsencode(os.path.abspath(row.values["image"])) for row in rows]
    stats = np.zeros((len(paths), 2), np.int64)
    for index, path in enumerate(paths):
        try:
            found = os.stat(path)
        except OSError:  # `image_header` will say so
            continue
        stats[index] = found.st_size, found.st_mtime_ns

    def measured() -> Measured:
        sizes: set[tuple[int, int]] = set()
        channels: set[int] = set()
        bad = {}
        for index, path in enumerate(paths):
            try:
                header = image_header(path)
                sizes.add(header[:2])
                channels.add(header.channels)
            except BadImage as error:
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
    return EncodedImages(source, identity, [row.where for row in rows], measured, encoded, read)


def case_twins(names: Iterable[str]) -> dict[str, str]:
    """Find names that differ from an earlier one only in case, or in how accents are encoded.

    Such two are one file on macOS and Windows, so a data set that holds both cannot be copied there.

    Returns:
        For each such name the earlier one.
    """
    first: dict[str, str] = {}
    twins = {}
    for name in names:
        key = name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
        earlier = first.setdefault(key, name)
        if earlier != name:
            twins[name] = earlier
    return twins
