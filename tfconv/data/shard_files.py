"""The files that `write_shards` makes, record by record."""

import errno
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfconv.data.text import TextPreprocess
from tfconv.data.tokenising import token_chunks
from tfconv.errors import InputError
from tfconv.files import write_json

__all__ = ["SHARD_NAME", "ShardWriter", "encoded"]

SHARD_NAME = "{:05d}.tfrecord"


class ShardWriter:
    """Write encoded texts into the shards of one folder; `close` writes the index.

    Args:
        directory: a folder that is there.
        preprocess: what made the ids.
        shard_size: texts a file, in order.
        spread: deal the texts at random among this many files that are open all the time, in place of `shard_size`:
            each then is a sample of the whole, also where the texts come sorted by class.

    Raises:
        OSError: the disk is full.
    """

    def __init__(
        self, directory: Path, preprocess: TextPreprocess, *, shard_size: int = 20_000, spread: int = 1
    ) -> None:
        self.count = 0
        self._directory, self._shard_size = directory, shard_size
        self._index = {"classes": len(preprocess.class_names), "multi_label": preprocess.multi_label}
        self._writers: dict[int, tf.io.TFRecordWriter] = {}
        self._spread, self._random = spread, random.Random(0)
        self._made: list[int] = []

    def write(self, ids: np.ndarray, labels: Sequence[int]) -> None:
        """Write one text: int32 (n,), and the numbers of its classes."""
        number = self.count // self._shard_size if self._spread == 1 else self._random.randrange(self._spread)
        try:
            if number not in self._writers:
                if self._spread == 1:
                    self._close()
                self._writers[number] = tf.io.TFRecordWriter(self._path(number))
                self._made.append(number)
            self._writers[number].write(_example(ids, labels))
        except tf.errors.OpError as error:
            raise _disk_error(error) from error
        self.count += 1

    def _path(self, number: int) -> str:
        return str(self._directory / SHARD_NAME.format(number))

    def _close(self) -> None:
        try:
            while self._writers:
                self._writers.popitem()[1].close()
        except tf.errors.OpError as error:
            raise _disk_error(error) from error

    def close(self) -> None:
        """Write what is left, and the index."""
        self._close()
        for number, old in enumerate(sorted(self._made)):  # a number that got no text is left out
            os.rename(self._path(old), self._path(number))
        sizes = [os.path.getsize(self._path(number)) for number in range(len(self._made))]
        write_json(self._directory / "index.json", {"texts": self.count, **self._index, "bytes": sizes})


def encoded(
    rows: Iterable[tuple[int | str, str, Sequence[str], Any]], preprocess: TextPreprocess
) -> Iterator[tuple[np.ndarray, list[int], Any]]:
    """Encode texts on all cores, some hundred at a time.

    Args:
        rows: (row, text, class names, anything); read once, never held.
        preprocess: makes the ids; its `class_names` number the labels.

    Yields:
        (ids, int32; class numbers; the anything) of each row.

    Raises:
        InputError: naming the row: a text is no string that UTF-8 can hold, or a class is not in
            `preprocess.class_names`.
    """
    numbers = {name: number for number, name in enumerate(preprocess.class_names)}
    waiting: list[tuple[list[int], Any]] = []

    def texts() -> Iterator[str]:
        for row, text, names, more in rows:
            _check_text(text, row)
            waiting.append((_numbered(names, numbers, row, preprocess.multi_label), more))
            yield text

    for chunk in token_chunks(texts(), preprocess.tokenizer):
        ids = preprocess.encode([chunk])
        values, ends = ids.values.numpy(), ids.row_splits.numpy().tolist()
        done, waiting[: len(ends) - 1] = waiting[: len(ends) - 1], []
        for (start, stop), (labels, more) in zip(pairwise(ends), done, strict=True):
            yield values[start:stop], labels, more


def _check_text(text: Any, row: int | str) -> None:
    if not isinstance(text, str):
        raise InputError(f"row {row}: the text is {text!r:.60} ({type(text).__name__}); give a string")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"row {row}: the text holds half a surrogate pair, which is no character; mend it") from None


def _numbered(names: Sequence[str], numbers: dict[str, int], row: int | str, multi_label: bool) -> list[int]:
    for name in names:
        if name not in numbers:
            raise InputError(f"row {row}: the class {name!r} is not among {', '.join(numbers)}")
    if not multi_label and len(names) != 1:
        raise InputError(f"{len(names)} labels for one text: give a preprocess with multi_label=True")
    return [numbers[name] for name in names]


def _example(ids: np.ndarray, labels: Sequence[int]) -> bytes:
    example = tf.train.Example()
    example.features.feature["ids"].int64_list.value.extend(ids.tolist())
    example.features.feature["labels"].int64_list.value.extend(labels)
    return example.SerializeToString()


def _disk_error(error: tf.errors.OpError) -> OSError:
    code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
    return OSError(code, str(error.message).partition("\n")[0])
