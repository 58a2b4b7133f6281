"""How a file of rows is written, found by a look at its first rows or said by options."""

import csv
import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tfconv.data
from tfconv import InputError
from tfconv.data import Columns, Dialect

WORDS = ["fine film", 'he said "no" twice', "a, b; and | c", "grüße", '"quoted" from its start', "x"]
ROWS = [(f"{WORDS[i % 6]} {i}", ("spam", "ham")[i % 2]) for i in range(24)]


def written(path, rows, *, names=("text", "label"), delimiter=",", quoted=True, encoding="utf-8", end="\n"):
    """The rows as another program writes them."""
    lines = [*([] if names is None else [names]), *rows]
    with open(path, "w", newline="", encoding=encoding) as file:
        if quoted:
            csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(lines)
        else:
            file.writelines(delimiter.join(line) + end for line in lines)
    return path


def turned(rows):
    return [row[::-1] for row in rows]


def read(path, *, skipped=None, **options):
    return [(text, label) for _, text, label in tfconv.data.read_rows(path, Columns(**options), skipped=skipped)]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.csv", {}, ""),
        ("a.tsv", {"delimiter": "\t"}, ""),
        ("a.csv", {"encoding": "utf-8-sig", "end": "\r\n"}, ""),
        ("a.csv", {"delimiter": ";"}, "separated by semicolons"),
        ("a.csv", {"delimiter": "|"}, "separated by vertical bars"),
        ("a.csv", {"delimiter": "\t"}, "separated by tabs"),
        ("a.tsv", {"delimiter": "\t", "quoted": False}, "quote marks are text"),
        ("a.txt", {"delimiter": "\t", "quoted": False}, "separated by tabs, quote marks are text"),
        ("a.csv", {"encoding": "utf-16"}, "in UTF-16"),
        ("a.csv", {"names": ("message", "kind")}, "texts in column 'message', labels in 'kind'"),
        ("a.csv", {"names": ("Text", "label")}, "texts in column 'Text', labels in 'label'"),
        ("a.csv", {"names": None}, "no header, texts in column '1', labels in '2'"),
        ("a", {"names": None, "delimiter": "\t", "quoted": False}, "separated by tabs, no header, quote marks are te"),
        ("a.csv", {"names": None, "delimiter": ";", "end": "\r\n"}, "separated by semicolons, no header, texts in col"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_look_at_the_first_rows_finds_out(name, options, said, packed, tmp_path, capsys):
    path = written(tmp_path / name, ROWS, **options)
    if packed:
        path.with_name(f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = path.with_name(f"{name}.gz")
    assert read(path) == ROWS
    error = capsys.readouterr().err
    assert error.count("\n") == (1 if said else 0) and said in error


def test_labels_first(tmp_path):
    path = written(tmp_path / "SMS", turned(ROWS), names=None, delimiter="\t", quoted=False)
    assert read(path) == ROWS and tfconv.data.csv(path, Columns(validation=0)).class_names == ("ham", "spam")
    assert read(path, text="1", label="2") == turned(ROWS)


def test_options_say_what_a_look_cannot(tmp_path):
    few = [("4", "1"), ("5", "2")]
    path = written(tmp_path / "a.csv", few, names=None)
    assert read(path, text="1", label="2") == few
    assert read(path, text="2", label="1", dialect=Dialect(header=False)) == turned(few)
    path = written(tmp_path / "b.csv", ROWS, encoding="latin-1")
    with pytest.raises(InputError, match="row 5: not UTF-8 .*name its encoding, such as --encoding latin-1"):
        read(path)
    assert read(path, dialect=Dialect(encoding="latin-1")) == ROWS
    path = written(tmp_path / "c.csv", [('"a" b', "x"), ('"c" d', "y")], quoted=False)
    with pytest.raises(InputError, match="a closing quote is followed by text"):
        read(path)
    assert read(path, dialect=Dialect(quoting="none")) == [('"a" b', "x"), ('"c" d', "y")]


def test_three_columns_without_names_are_asked_about(tmp_path):
    rows = [(str(i), text, label) for i, (text, label) in enumerate(ROWS)]
    path = written(tmp_path / "a.csv", rows, names=None)
    with pytest.raises(InputError, match=r"no header and 3 columns, .*such as --text 3 --label 1"):
        read(path)
    assert read(path, text="2", label="3") == ROWS


def test_a_bad_row_is_told_by_its_number(tmp_path):
    path = written(tmp_path / "a", [*turned(ROWS), ("ham", "x", "y")], names=None, delimiter="\t", quoted=False)
    with pytest.raises(
        InputError, match=r"a row 25: 3 fields where the first row has 2; where '\\t' is text, take it out"
    ):
        read(path)
    skipped = []
    assert read(path, skipped=skipped) == ROWS and len(skipped) == 1


def test_streamed_files_are_written_as_the_first_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    for i in (0, 1):
        written(tmp_path / f"part-{i}.txt", turned(ROWS), names=None, delimiter="\t", quoted=False)
    data = tfconv.data.text_stream(tmp_path / "part-*.txt", Columns(validation=0))
    assert data.class_names == ("ham", "spam") and list(data.examples["train"].texts) == [text for text, _ in ROWS * 2]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_only_an_empty_cell_is_a_missing_class(ending, tmp_path):
    names = ["nan", "NaN", "None", "NA", "null", "n/a", "NULL"]
    rows = [(f"text {i}", names[i % 7]) for i in range(28)]
    path = tmp_path / f"a.{ending}"
    if ending == "csv":
        written(path, [*rows, ("empty", " ")])
    else:
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        path.write_text("\n".join([*lines, '{"text": "empty", "label": null}']))
    with pytest.raises(InputError, match="row .*: no label"):
        getattr(tfconv.data, ending)(path)
    assert getattr(tfconv.data, ending)(path, Columns(skip=True, validation=0)).class_names == tuple(sorted(names))
    skipped = []
    assert read(path, skipped=skipped) == rows and len(skipped) == 1


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\",;|\t\n\r' "), min_size=1).filter(
    lambda text: text.strip() and "\0" not in text
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["a", "b", "1", "c d"])), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_what_is_written_comes_back(tmp_path, rows, delimiter, quoting, encoding, said):
    path = tmp_path / "a.csv"
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([("text", "label"), *rows])
    dialect = Dialect(delimiter, True, "minimal", None if encoding != "utf-8" else "utf-8") if said else Dialect()
    assert read(path, dialect=dialect) == rows
