"""Files that claim more than memory holds are refused in one line, and the end of memory says what was read."""

import time

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import status

import tfconv.data
from tfconv import InputError
from tfconv.data.rows import parquet as parquet_reader
from tfconv.data.rows import tables


def write(path, texts, **options):
    labels = pyarrow.array(["a", "b"] * (len(texts) // 2))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels}), path, compression="zstd", **options)
    return path


def repeated(count, length):
    """A column whose dictionary holds one long text, which all rows have: some kilobytes on disk."""
    return pyarrow.DictionaryArray.from_arrays(np.zeros(count, np.int32), pyarrow.array(["x" * length]))


def test_a_dictionary_that_unfolds_to_terabytes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parquet_reader, "_UNFOLDED", 1 << 26)
    path = write(tmp_path / "a.parquet", repeated(100_000, 20_000_000), dictionary_pagesize_limit=1 << 30)
    assert path.stat().st_size < 10_000
    start = time.monotonic()
    assert status("train", "text", path, "--run", tmp_path / "run") == 2
    assert time.monotonic() - start < 60
    error = capsys.readouterr().err
    assert "bytes that unfold to more than 80,000,00" in error and error.count("\n") == 1 and str(path) in error


def test_claims_of_heads(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", repeated(10, 3_000_000), dictionary_pagesize_limit=1 << 30)
    monkeypatch.setattr(parquet_reader, "_LARGE", 2_000_000)
    with pytest.raises(InputError, match=r"column 'text' claims 3,000,\d+ bytes in [\d,]+, as no texts are packed"):
        tfconv.data.parquet(path)
    monkeypatch.setattr(parquet_reader, "_FOLD", 10**9)
    with pytest.raises(InputError, match="the dictionary of column 'text' claims 3,000,004 bytes, and at most 2,"):
        tfconv.data.parquet(path)
    content = bytearray(path.read_bytes())  # a head that lies
    place = content.index(b"\x15", 5) + 1
    content[place : place + 4] = b"\xfe\xff\xff\x0f"
    (tmp_path / "lie.parquet").write_bytes(content)
    with pytest.raises(InputError, match="the dictionary of column 'text' claims 16,777,215 bytes"):
        tfconv.data.parquet(tmp_path / "lie.parquet")


def test_usual_files_are_read_as_before(tmp_path):
    texts = [f"text number {i % 700}" for i in range(5000)]
    for options in ({}, {"use_dictionary": False}, {"row_group_size": 300}, {"data_page_version": "2.0"}):
        path = write(tmp_path / "a.parquet", pyarrow.array(texts), **options)
        assert [text for _, text, _ in tfconv.data.read_rows(path)] == texts


@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_the_end_of_memory(tmp_path, monkeypatch, capsys, stream):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "good,a\nbad,b\n" * 50_000)

    def rows(*args, **kwargs):
        raise MemoryError
        yield

    monkeypatch.setattr(tables, "labelled_rows", rows)
    monkeypatch.setattr("tfconv.data.text.scan.labelled_rows", rows)
    assert status("train", "text", path, "--run", tmp_path / "run", *stream) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"tfconv: out of memory (while {path} was read, 0.7 MB): give") and "--stream" in error
