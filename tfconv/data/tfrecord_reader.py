"""Records of a TFRecord file of `tf.train.Example` messages, streamed."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfconv import runtime
from tfconv.data.compressed import open_rows, plain_name
from tfconv.data.records import Record, missing_column, reject
from tfconv.errors import InputError

__all__ = ["tfrecord_records"]

_FRAME = 16  # bytes of length and checksums about each record
_NOT_UTF8 = object()


def tfrecord_records(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Stream the named features of a file of `tf.train.Example`; the first record is row 1. A .gz file is unpacked.

    A feature of one value is that value, of none or several a list; bytes are UTF-8 strings. A missing feature is null.

    Raises:
        InputError: the file is no TFRecord, damaged or cut short; no record has a feature of that name; or a record is
            no `tf.train.Example`, or its bytes are not UTF-8, and `skipped` is None.
    """
    runtime.configure("text")  # this may be the first use of TensorFlow
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    options = tf.io.TFRecordOptions("" if plain_name(path) == path else "GZIP")
    number, size = 0, 0
    seen: set[str] = set()
    try:
        # Not a tf.data.Dataset: that would start TensorFlow's threads before their number can be set.
        for content in tf.compat.v1.io.tf_record_iterator(str(path), options):
            number, size = number + 1, size + len(content) + _FRAME
            if read is not None:
                read(len(content) + _FRAME)
            where = f"{path} row {number}"
            try:
                features = tf.train.Example.FromString(content).features.feature
            except DecodeError:
                reject(where, "no tf.train.Example", "write rows as tf.train.Example", skipped)
                continue
            if len(seen) < 1000:
                seen.update(features)
            values = [_value(features[column]) if column in features else None for column in columns]
            if any(value is _NOT_UTF8 for value in values):
                reject(where, "not UTF-8", "write strings as UTF-8", skipped)
                continue
            if number == 1 and (absent := [column for column in columns if column not in features]):
                reject(where, missing_column(absent[0], sorted(features), "feature"), "add it", skipped)
                continue
            yield Record(number, where, values)
        if size != _size(path, size):
            raise tf.errors.DataLossError(None, None, "something else follows")  # TensorFlow takes it for the end
    except tf.errors.OpError as error:
        reason = str(error.message).partition("' failed with")[0].replace("'", "")
        raise InputError(
            f"{path}: not a TFRecord file, or damaged or cut short after {number:,} records ({reason:.80}); "
            "write it anew"
        ) from error
    if number and (absent := [column for column in columns if column not in seen]):
        raise InputError(f"{path}: {missing_column(absent[0], sorted(seen), 'feature')}")


def _size(path: Path, expected: int) -> int:
    """The bytes of a file when unpacked."""
    if plain_name(path) == path:
        return path.stat().st_size
    with open(path, "rb") as file:
        file.seek(-min(4, path.stat().st_size), 2)
        if int.from_bytes(file.read(4), "little") == expected % 2**32:  # RFC 1952: where nothing was appended
            return expected
    with open_rows(path) as file:
        return sum(len(block) for block in iter(lambda: file.read(1 << 20), b""))


def _value(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    if kind == "bytes_list":
        try:
            values = [value.decode() for value in values]
        except UnicodeDecodeError:
            return _NOT_UTF8
    return values[0] if len(values) == 1 else values
