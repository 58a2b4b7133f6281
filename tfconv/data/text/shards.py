"""Encode texts once into sharded files, and stream batches from them; memory does not grow with the data."""

import errno
import json
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfconv.data.batching import reshuffled
from tfconv.data.preprocess import pop_task
from tfconv.data.text.preprocess import TextPreprocess
from tfconv.errors import InputError, check_whole
from tfconv.files import atomic_directory, write_json
from tfconv.tasks import Task

__all__ = ["SHARD_NAME", "ShardWriter", "check_shards", "encoded", "read_shards", "write_shards"]


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
        self._index = {"classes": len(preprocess.class_names), "task": preprocess.task.name}
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
            waiting.append((_numbered(names, numbers, row, preprocess.task), more))
            yield text

    for ids in preprocess.encoded(texts()):
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


def _numbered(names: Sequence[str], numbers: dict[str, int], row: int | str, task: Task) -> list[int]:
    for name in names:
        if name not in numbers:
            raise InputError(f"row {row}: the class {name!r} is not among {', '.join(numbers)}")
    if task.exclusive and len(names) != 1:
        raise InputError(f"row {row}: {len(names)} labels for one text: give a preprocess with task=MULTI_LABEL")
    return [numbers[name] for name in names]


def _example(ids: np.ndarray, labels: Sequence[int]) -> bytes:
    example = tf.train.Example()
    example.features.feature["ids"].int64_list.value.extend(ids.tolist())
    example.features.feature["labels"].int64_list.value.extend(labels)
    return example.SerializeToString()


def _disk_error(error: tf.errors.OpError) -> OSError:
    code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
    return OSError(code, str(error.message).partition("\n")[0])


def write_shards(
    rows: Iterable[tuple[int, str, str | tuple[str, ...]]],
    preprocess: TextPreprocess,
    directory: str | Path,
    *,
    shard_size: int = 20_000,
) -> int:
    """Encode texts from an iterator into files of `shard_size` texts each.

    Args:
        rows: (row number, text, class name, or class names where `preprocess.task` is
            any number of labels), as from `tfconv.data.read_rows`;
            read once, never held.
        preprocess: makes the ids; its `class_names` number the labels.
        directory: a new folder; it appears whole, when the last text is written.
        shard_size: texts a file. Files are what is shuffled first, so make dozens.

    Returns:
        How many texts were written.

    Raises:
        InputError: there is no text, a text is no string that UTF-8 can hold, a class is not in
            `preprocess.class_names`, the folder is there already or cannot be made, or `shard_size` is below 1.
        OSError: the disk is full; the folder is then not there.
    """
    check_whole("shard_size", shard_size)
    directory = Path(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        there = directory.exists()
    except OSError as error:
        in_the_way = isinstance(error, (FileExistsError, NotADirectoryError))
        reason = "a file is in the way" if in_the_way else error.strerror
        raise InputError(f"{directory} cannot be made ({reason}): choose another folder for the shards") from error
    if there:
        raise InputError(f"{directory} is there already: delete it or choose another folder for the shards")
    plain = ((row, text, (label,) if isinstance(label, str) else label, None) for row, text, label in rows)
    with atomic_directory(directory) as temporary:
        writer = ShardWriter(temporary, preprocess, shard_size=shard_size)
        for ids, labels, _ in encoded(plain, preprocess):
            writer.write(ids, labels)
        if not writer.count:
            raise InputError("there is no text to write shards of")
        writer.close()
    return writer.count


def read_shards(
    directory: str | Path,
    *,
    batch_size: int,
    seed: int | None = None,
    shuffle_buffer: int = 20_000,
    bucket: bool = False,
    pad_to: int | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Stream batches from a folder of `write_shards`.

    Args:
        directory: the folder.
        batch_size: texts a batch.
        seed: shuffle by (seed, epoch): files, four of which are read side by side, then texts within a window of the
            stream. `None`: in order, every time.
        shuffle_buffer: texts in that window; memory grows with it and with nothing else.
        bucket: put texts of like length within the window into one batch, so that little is padded; with `seed`.
        pad_to: width of every batch; default: the longest text of the batch.
        drop_remainder: leave out the last, smaller batch.

    Returns:
        Batches (ids int32 (batch, width), labels), with `at_epoch` as in `tfconv.data.batches`.

    Raises:
        InputError: the folder is none of `write_shards`, a file of it is missing or cut short, or a number is not in 1
            to 2**31 - 1.
    """
    check_whole("batch_size", batch_size)
    check_whole("shuffle_buffer", shuffle_buffer)
    check_whole("pad_to", pad_to, optional=True)
    directory = Path(directory)
    index = _index(directory)
    files = _files(directory, index["bytes"])
    window_size = -(-shuffle_buffer // batch_size) * batch_size  # whole batches, so that a bucket is not cut

    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = {
            "ids": tf.io.RaggedFeature(tf.int64),
            "labels": tf.io.RaggedFeature(tf.int64),
        }
        parsed = tf.io.parse_example(records, features)
        ids = tf.cast(parsed["ids"], tf.int32).to_tensor(0, shape=(None, pad_to))
        if index["task"].exclusive:
            return ids, tf.cast(parsed["labels"].flat_values, tf.int32)
        hot = tf.reduce_sum(tf.one_hot(parsed["labels"].to_tensor(-1), index["classes"]), axis=1)
        return ids, tf.ensure_shape(hot, [None, index["classes"]])

    def shuffled(part: tf.Tensor, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """The records of one window in the order that (seed, epoch, number of the window) gives."""
        place = tf.stack([tf.cast(seed, tf.int64), epoch * 2**32 + number])
        part = tf.random.experimental.stateless_shuffle(part, seed=place)
        if not bucket:
            return part
        # A record's bytes grow with its text, so sorting by them needs no parsing.
        part = tf.gather(part, tf.argsort(tf.strings.length(part), stable=True))
        whole = tf.size(part) // batch_size
        plan = tf.reshape(part[: whole * batch_size], [whole, batch_size])
        plan = tf.random.experimental.stateless_shuffle(plan, seed=place + 1)
        return tf.concat([tf.reshape(plan, [-1]), part[whole * batch_size :]], axis=0)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        names = tf.constant(files)
        if seed is not None:
            place = tf.stack([tf.cast(seed, tf.int64), epoch])
            names = tf.random.experimental.stateless_shuffle(names, seed=place)
        beside = 1 if seed is None else 4
        records = tf.data.Dataset.from_tensor_slices(names).interleave(
            tf.data.TFRecordDataset, cycle_length=beside, num_parallel_calls=min(beside, 2), deterministic=True
        )
        if seed is not None:
            windows = records.batch(window_size).enumerate()
            records = windows.map(lambda number, part: shuffled(part, epoch, number)).unbatch()
        dataset = records.batch(batch_size, drop_remainder=drop_remainder)
        return dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    steps = index["texts"] // batch_size + int(not drop_remainder and index["texts"] % batch_size > 0)
    if seed is not None:
        return reshuffled(epoch_batches, steps)
    ordered = epoch_batches(tf.constant(0, tf.int64))
    return ordered.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(tf.data.AUTOTUNE)


def check_shards(directory: Path) -> None:
    """Check that a folder of shards is whole, by the sizes of its files.

    Raises:
        InputError: as `read_shards`.
    """
    _files(directory, _index(directory)["bytes"])


def _index(directory: Path) -> dict[str, Any]:
    """What `write_shards` wrote into index.json, checked."""
    try:
        index = json.loads((directory / "index.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{directory} holds no index.json of shards: give a folder of write_shards") from None
    try:
        check_whole("texts", index["texts"], bits=63)
        check_whole("classes", index["classes"], 0)
        for size in index["bytes"]:
            check_whole("bytes", size, bits=63)
        good = isinstance(index["bytes"], list) and len(index["bytes"])
        index["task"] = pop_task(index)
    except (InputError, LookupError, TypeError):
        good = False
    if not good:
        raise InputError(f"{directory}/index.json is not as write_shards writes it: write the shards again")
    return index


def _files(directory: Path, sizes: list[int]) -> list[str]:
    files = [str(directory / SHARD_NAME.format(number)) for number in range(len(sizes))]
    for name, size in zip(files, sizes, strict=True):
        try:
            found = os.path.getsize(name)
        except OSError:
            raise InputError(f"{name} is missing: the shards are not whole, write them again") from None
        if found != size:
            raise InputError(f"{name} has {found:,} bytes where {size:,} were written: write the shards again")
    return files
