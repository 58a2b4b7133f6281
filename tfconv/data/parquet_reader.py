"""Records of a Parquet file, streamed a batch at a time (needs the extra `parquet`: pyarrow)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfconv.data.records import Record, missing_column, reject
from tfconv.errors import InputError

__all__ = ["parquet_records"]

_BATCH_ROWS = 1024
_LARGE, _RATIO = 1 << 30, 200  # bytes; of what is unpacked to what is packed
_UNREADABLE = object()
_NO_DATE = object()


def parquet_records(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Stream the named columns of a Parquet file; the first row is row 1.

    Raises:
        InputError: pyarrow is not installed, the file is no Parquet or damaged, a column is missing or there twice, or
            a row's bytes are not UTF-8, or its time none that Python has, and `skipped` is None.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path}: reading Parquet needs pyarrow; pip install tfconv[parquet]") from error
    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            _refuse_bomb(path, file.metadata)
            names = file.schema_arrow.names
            for column in columns:
                if column not in names:
                    raise InputError(f"{path}: {missing_column(column, names)}")
                if (times := names.count(column)) > 1:
                    raise InputError(f"{path}: {times} columns are called {column!r}; rename all but one")
        # A value that is stored once for all its rows stays one: 1,000 rows of one text of 4 MB would else take 4 GB.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, read_dictionary=list(columns)) as file:
            number, size = 0, path.stat().st_size
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
                values = [_values(batch.column(column)) for column in columns]
                for row in zip(*values, strict=True):
                    number += 1
                    where = f"{path} row {number}"
                    if any(value is _UNREADABLE for value in row):
                        reject(where, "not UTF-8", "write strings as UTF-8", skipped)
                    elif any(value is _NO_DATE for value in row):
                        reject(where, "a date or time too far or too fine for Python", "write it as a string", skipped)
                    else:
                        yield Record(number, where, list(row))
                if read is not None:
                    read(size * batch.num_rows // file.metadata.num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a Parquet file, or a damaged one ({error}); write it anew") from error


def _refuse_bomb(path: Path, metadata: Any) -> None:
    """Refuse what a few bytes blow up to more than memory may hold; it is said before it is unpacked."""
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            if chunk.total_uncompressed_size > max(_LARGE, _RATIO * chunk.total_compressed_size):
                raise InputError(
                    f"{path}: row group {group + 1} unpacks {chunk.path_in_schema!r} from "
                    f"{chunk.total_compressed_size / 1e6:,.1f} MB to {chunk.total_uncompressed_size / 1e6:,.0f} MB, "
                    "which no texts do; write it anew in smaller row groups"
                )


def _values(column: Any) -> list[Any]:
    if hasattr(column, "dictionary"):
        values = [*_values(column.dictionary), None]
        return [values[-1 if index is None else index] for index in column.indices.to_pylist()]
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(item) for item in column]
    return [_decoded(value) if isinstance(value, bytes) else value for value in values]


def _value(item: Any) -> Any:
    try:
        return item.as_py()
    except UnicodeDecodeError:
        return _UNREADABLE
    except (ValueError, OverflowError):
        return _NO_DATE


def _decoded(value: bytes) -> Any:
    """Strings are stored as plain bytes by some writers (Spark, Impala)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _UNREADABLE
