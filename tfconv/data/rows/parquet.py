"""Records of a Parquet file, streamed."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfconv.data.rows.records import Record, missing_column, reject
from tfconv.errors import InputError

__all__ = ["parquet_records"]

_BATCH_ROWS = 1024
# A file of some kilobytes can stand for terabytes: packed zeros, or one long text of a dictionary in every row.
_LARGE = 1 << 28  # bytes of a dictionary, or of a column's part, that any file may hold
_UNFOLDED = 1 << 30  # characters read that any file may have
_FOLD = 1000  # times its size, which larger ones may have
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
        InputError: pyarrow is not installed, the file is no Parquet or damaged, or unfolds to more than memory may hold
            or anyone would read, a column is missing or there twice, or a row's bytes are not UTF-8, or its time none
            that Python has, and `skipped` is None.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path}: reading Parquet needs pyarrow; pip install tfconv[parquet]") from error
    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            for column in columns:
                if column not in names:
                    raise InputError(f"{path}: {missing_column(column, names)}")
                if (times := names.count(column)) > 1:
                    raise InputError(f"{path}: {times} columns are called {column!r}; rename all but one")
            _check_claims(path, file.metadata, columns)
            kinds = pyarrow.types.is_string, pyarrow.types.is_binary, pyarrow.types.is_large_string
            once = [name for name in columns if any(kind(file.schema_arrow.field(name).type) for kind in kinds)]
        # A value that is stored once for all its rows stays one: 1,000 rows of one text of 4 MB would else take 4 GB.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, read_dictionary=once) as file:
            number, size, unfolded = 0, path.stat().st_size, 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
                values = [_values(batch.column(column)) for column in columns]
                for row in zip(*values, strict=True):
                    number += 1
                    unfolded += sum(map(_characters, row))
                    if unfolded > max(_UNFOLDED, _FOLD * size):
                        raise InputError(
                            f"{path}: {size:,} bytes that unfold to more than {unfolded:,} by row {number:,}; is it a "
                            "table of texts and labels? Write it anew without what is so long"
                        )
                    where = f"{path} row {number}"
                    if any(value is _UNREADABLE for value in row):
                        reject(where, "not UTF-8", "write strings as UTF-8", skipped)
                    elif any(value is _NO_DATE for value in row):
                        reject(where, "a date or time too far or too fine for Python", "write it as a string", skipped)
                    else:
                        yield Record(number, where, list(row))
                if read is not None:
                    read(size * batch.num_rows // file.metadata.num_rows)
    except MemoryError:  # pyarrow's is an ArrowException too
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a Parquet file, or a damaged one ({error}); write it anew") from error


def _check_claims(path: Path, metadata: Any, columns: Sequence[str]) -> None:
    """Refuse a dictionary whose head claims more than memory may hold, and a column packed as no texts are.

    Raises:
        InputError: one is too large, or a column is packed to a share of its size that no texts are.
    """
    schema = metadata.schema
    places = [place for place in range(metadata.num_columns) if schema.column(place).path.partition(".")[0] in columns]
    with open(path, "rb") as file:
        for group in range(metadata.num_row_groups):
            for part in map(metadata.row_group(group).column, places):
                name, packed, claimed = part.path_in_schema, part.total_compressed_size, part.total_uncompressed_size
                if claimed > _LARGE and claimed > _FOLD * packed:
                    raise InputError(
                        f"{path}: column {name!r} claims {claimed:,} bytes in {packed:,}, as no texts are packed; "
                        "write the file anew"
                    )
                if part.has_dictionary_page and part.dictionary_page_offset is not None:
                    file.seek(part.dictionary_page_offset)
                    if (largest := _page_size(file.read(32))) > _LARGE:
                        raise InputError(
                            f"{path}: the dictionary of column {name!r} claims {largest:,} bytes, and at most "
                            f"{_LARGE:,} are read; write the file anew without a dictionary"
                        )


def _page_size(head: bytes) -> int:
    """The second field of a page's head, its size when unpacked; 0 where that is no head (Thrift's compact protocol).

    Each of the first fields is a byte 0x15 (the next field, of 32 bits) and a zigzag number, low seven bits first.
    """
    place, value = 0, 0
    for _ in range(2):
        if head[place : place + 1] != b"\x15":
            return 0
        place, value, shift = place + 1, 0, 0
        while place < len(head):
            value |= (head[place] & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if head[place - 1] < 0x80:
                break
    return value >> 1


def _characters(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 0


def _values(column: Any) -> list[Any]:
    if hasattr(column, "dictionary"):
        values = [*_values(column.dictionary), None]
        return [values[-1 if index is None else index] for index in column.indices.to_pylist()]
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_parquet_value(item) for item in column]
    return [_decoded(value) if isinstance(value, bytes) else value for value in values]


def _parquet_value(item: Any) -> Any:
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
