import csv
import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tfconv.data
from tfconv.data import Columns
from tfconv.data.labels import sorted_class_names
from tfconv.data.rows.tables import table
from tfconv.tasks import CLASSIFICATION

words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1)
texts = words.filter(lambda value: value.strip())
labels = st.sampled_from(["sport", "news", "it's, odd", "größe"])
in_a_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def write_csv(path, rows, header=("text", "label"), **options):
    with open(path, "w", encoding=options.pop("encoding", "utf-8"), newline="") as file:
        writer = csv.writer(file, **options)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def reviews(count=20, classes=("neg", "pos")):
    return [(f"review number {i}", classes[i % len(classes)]) for i in range(count)]


@in_a_fixture
@given(st.lists(st.tuples(texts, labels), max_size=30), st.sampled_from([",", ";", "\t"]), st.booleans())
def test_what_csv_writer_writes_comes_back(tmp_path, rows, delimiter, everything_quoted):
    quoting = csv.QUOTE_ALL if everything_quoted else csv.QUOTE_MINIMAL
    path = write_csv(tmp_path / "a.csv", rows, delimiter=delimiter, quoting=quoting)
    found = list(tfconv.data.read_rows(path, Columns(dialect=tfconv.data.Dialect(delimiter=delimiter))))
    assert found == [(number, text, label) for number, (text, label) in enumerate(rows, 2)]


@in_a_fixture
@given(st.lists(st.tuples(texts, st.lists(labels, max_size=3, unique=True)), min_size=1, max_size=30), st.booleans())
def test_what_json_writes_comes_back(tmp_path, rows, ascii_only):
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"label": label, "text": text}, ensure_ascii=ascii_only) for text, label in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    found = list(tfconv.data.read_rows(path, Columns(multi_label=True)))
    assert found == [(number, text, tuple(label)) for number, (text, label) in enumerate(rows, 1)]


def test_the_three_formats_agree(tmp_path):
    rows = reviews(200, ("b", "a", "c"))
    records = [{"body": text, "topic": label} for text, label in rows]
    write_csv(tmp_path / "r.csv", rows, ("body", "topic"))
    write_csv(tmp_path / "r.tsv", rows, ("body", "topic"), delimiter="\t")
    write_jsonl(tmp_path / "r.jsonl", records)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "r.parquet", row_group_size=30)
    options = {"text": "body", "label": "topic", "validation": 0.2, "test": 0.1, "seed": 3}
    found = [
        tfconv.data.csv(tmp_path / "r.csv", Columns(**options)),
        tfconv.data.csv(tmp_path / "r.tsv", Columns(**options)),
        tfconv.data.jsonl(tmp_path / "r.jsonl", Columns(**options)),
        tfconv.data.parquet(tmp_path / "r.parquet", Columns(**options)),
        table(tmp_path / "r.parquet", Columns(**options)),
    ]
    for data in found:
        assert (data.name, data.class_names, data.task) == ("r", ("a", "b", "c"), CLASSIFICATION)
        sizes = {split: len(part) for split, part in data.examples.items()}
        assert sizes == {"train": 144, "validation": 36, "test": 20}
        for split, part in data.examples.items():
            assert part.texts == found[0].examples[split].texts
            assert part.labels.dtype == np.int32
            assert [data.class_names[label] for label in part.labels] == [dict(rows)[text] for text in part.texts]


def test_rows_are_streamed(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("good", "1"), ("bad", "0"), ("", "1")])
    stream = tfconv.data.read_rows(path)
    assert next(stream) == (2, "good", "1")
    assert next(stream) == (3, "bad", "0")
    with pytest.raises(tfconv.InputError, match="row 4: empty text"):
        next(stream)
    skipped = []
    assert len(list(tfconv.data.read_rows(path, skipped=skipped))) == 2
    assert skipped == [f"{path} row 4: empty text"]


def test_a_byte_order_mark_crlf_and_blank_lines_are_no_data(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes('\ufeff"text";label\r\n"grüß; ""Gott""";y\r\n\r\nx;y\r\n\r\n'.encode())
    assert list(tfconv.data.read_rows(path)) == [(2, 'grüß; "Gott"', "y"), (4, "x", "y")]


def test_a_quoted_line_break_keeps_the_row_numbers_of_a_spreadsheet(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("two\nlines", "a"), ("  ", "b")])
    with pytest.raises(tfconv.InputError, match=r"a.csv row 3 \(line 4\): empty text"):
        list(tfconv.data.read_rows(path))


def test_a_long_text_is_read(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("word " * 100_000, "a")])
    assert len(next(tfconv.data.read_rows(path))[1]) == 500_000


def test_numbers_are_sorted_by_value_and_booleans_by_name(tmp_path):
    path = write_csv(tmp_path / "a.csv", reviews(40, ("10", "9", "-1", "2.0")))
    assert tfconv.data.csv(path).class_names == ("-1", "2", "9", "10")
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": str(i), "label": i % 2 == 0} for i in range(9)])
    data = tfconv.data.jsonl(path, Columns(validation=0))
    assert data.class_names == ("false", "true")
    assert data.examples["train"].labels.tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert sorted_class_names(["10", "9", "x"]) == ("10", "9", "x")


def test_several_labels_a_text(tmp_path):
    rows = [("a", "x|y"), ("b", ""), ("c", "y"), ("d", " x | z "), ("e", "z|y"), ("f", "x")]
    data = tfconv.data.csv(write_csv(tmp_path / "a.csv", rows), Columns(multi_label=True, validation=0))
    assert data.class_names == ("x", "y", "z")
    assert data.examples["train"].labels.dtype == np.float32
    expected = [[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0]]
    assert data.examples["train"].labels.tolist() == expected
    records = [{"text": text, "label": [part.strip() for part in label.split("|") if part]} for text, label in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "a.parquet")
    for again in (
        tfconv.data.jsonl(write_jsonl(tmp_path / "a.jsonl", records), Columns(multi_label=True, validation=0)),
        tfconv.data.parquet(tmp_path / "a.parquet", Columns(multi_label=True, validation=0)),
    ):
        assert again.examples["train"].labels.tolist() == expected
    commas = write_csv(tmp_path / "b.csv", [(text, label.replace("|", ",")) for text, label in rows])
    assert tfconv.data.csv(commas, Columns(multi_label=True, separator=",")).class_names == ("x", "y", "z")


def test_a_split_column_decides(tmp_path):
    names = ["train", "Training", " val ", "dev", "valid", "validation", "test", "testing", "train", "train"]
    rows = [(f"t{i}", "ab"[i % 2], name) for i, name in enumerate(names)]
    path = write_csv(tmp_path / "a.csv", rows, ("text", "label", "split"))
    data = tfconv.data.csv(path, Columns(split="split"))
    found = {split: part.texts for split, part in data.examples.items()}
    assert found == {
        "train": ["t0", "t1", "t8", "t9"],
        "validation": ["t2", "t3", "t4", "t5"],
        "test": ["t6", "t7"],
    }


def test_a_test_file_is_kept_apart_and_validation_comes_from_train(tmp_path):
    path = write_csv(tmp_path / "a.csv", reviews(40))
    other = write_csv(tmp_path / "b.csv", [("held", "pos"), ("out", "neg")])
    data = tfconv.data.csv(path, Columns(test=other, validation=0.25))
    assert data.examples["test"].texts == ["held", "out"]
    assert data.examples["test"].labels.tolist() == [1, 0]
    assert np.bincount(data.examples["validation"].labels).tolist() == [5, 5]
    assert "test" not in tfconv.data.csv(path).examples
    assert list(tfconv.data.csv(path, Columns(validation=0)).examples) == ["train"]


def test_the_seed_decides_the_split(tmp_path):
    path = write_csv(tmp_path / "a.csv", reviews(100))
    held = [tfconv.data.csv(path, Columns(seed=seed)).examples["validation"].texts for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_strings_that_parquet_holds_as_bytes_are_read(tmp_path):
    rows = pyarrow.table({"text": [b"gr\xc3\xbcn", b"rot"], "label": pyarrow.array([1, 0], pyarrow.int8())})
    pyarrow.parquet.write_table(rows, tmp_path / "a.parquet")
    assert list(tfconv.data.read_rows(tmp_path / "a.parquet")) == [(1, "grün", "1"), (2, "rot", "0")]
