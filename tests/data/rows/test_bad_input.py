"""Every mistake has one line that names what is wrong, where it is, and what to do."""

import json
import re
import sys

import pyarrow
import pyarrow.parquet
import pytest

import tfconv.data
from tfconv import InputError
from tfconv.data import Columns, Dialect

HEAD = "text,label\n"
GOOD = "fine,pos\npoor,neg\nlovely,pos\nawful,neg\n"
DEEP = "[" * 100_000

# Each bad file: its name, its bytes, what the message must hold (the place, the trouble, the remedy).
BAD_FILES = {
    "missing column": (
        "a.csv",
        "text,lable,id\nx,y,1\n",
        ["a.csv row 1: no column 'label'", "there are 'text', 'lable', 'id'", "did you mean 'lable'"],
    ),
    "column of another case": ("a.csv", "Text,label,id\nx,y,1\n", ["no column 'text'", "did you mean 'Text'"]),
    "column twice": ("a.csv", "text,label,text\nx,y,z\n", ["row 1: 2 columns are called 'text'", "rename"]),
    "three columns without names": (
        "a.csv",
        "1,a,b\n1,c,d\n2,e,f\n2,g,h\n1,i,j\n",
        ["no header and 3 columns", "--label 1"],
    ),
    "empty file": ("a.csv", "", ["a.csv is empty", "give a file with rows"]),
    "header only": ("a.csv", HEAD, ["a.csv: no rows, only a header", "give a file with rows"]),
    "blank lines only": ("a.csv", "\n\n", ["a.csv holds blank lines only"]),
    "unknown ending": ("a.xlsx", "x", ["a.xlsx: cannot tell its format", ".csv, .tsv, .jsonl"]),
    "one class": ("a.csv", HEAD + "a,x\nb,x\n", ["a.csv: the only class is 'x'", "two or more"]),
    "a JSON list": ("a.jsonl", '[\n{"text": "a", "label": 1}\n]', ["a.jsonl row 1: not JSON", "one JSON list", "jq"]),
    "no parquet": ("a.parquet", "text,label", ["a.parquet: not a Parquet file", "write it anew"]),
    "UTF-32": ("a.csv", (HEAD + GOOD).encode("utf-32"), ["a.csv row 1"]),
}

# Each bad row, in a file of good ones: what must be in the message, and in the note when such rows are skipped.
BAD_ROWS = {
    "empty text": ("a.csv", "  ,pos\n", ["row 6: empty text"]),
    "empty label": ("a.csv", "good,\n", ["row 6: no label"]),
    "broken UTF-8 byte": ("a.csv", b"caf\xe9,pos\n", [r"row 6: not UTF-8 .byte 0xe9 at byte 4 of line 6"]),
    "NUL byte": ("a.csv", b"go\0od,pos\n", ["row 6: a NUL byte in line 6"]),
    "a field too many": ("a.csv", "good, really,pos\n", ["row 6: 3 fields where the header has 2"]),
    "a field too few": ("a.csv", "good\n", ["row 6: 1 fields where the header has 2"]),
    "quote never closed": ("a.csv", '"good,pos\nbad,neg\n', ["row 6: a quote is opened and never closed .lines 6"]),
    "text after a quote": ("a.csv", '"good" film,pos\n', ["row 6: a closing quote is followed by text"]),
    "bare carriage return": ("a.csv", "go\rod,pos\n", ["row 6: a bare carriage return"]),
    "label seen once": ("a.csv", "good,psitive\n", ["row 6: the label 'psitive' is seen only here"]),
    "mixed labels in CSV": (
        "a.csv",
        "good,1\nbad,1\n",
        ["row 6: the label '1' is a number where most"],
    ),
    "control character": ("a.csv", '"good","p\nos"\n', ["row 6: the label .* control character"]),
    "invalid JSON": ("a.jsonl", '{"text": "x", label: 1}\n', ["row 5: not JSON", "JSON object a line|not JSON"]),
    "deep JSON": ("a.jsonl", DEEP + "\n", ["row 5: not JSON"]),
    "JSON but no object": ("a.jsonl", '["x", "pos"]\n', ["row 5: a JSON list, not an object"]),
    "key missing": ("a.jsonl", '{"txt": "x", "label": "pos"}\n', ["row 5: no key 'text'", "did you mean 'txt'"]),
    "null text": ("a.jsonl", '{"text": null, "label": "pos"}\n', [r"row 5: no text \(null\)"]),
    "text is a number": (
        "a.jsonl",
        '{"text": 5, "label": "pos"}\n',
        ["row 5: the text is 5 .int."],
    ),
    "half a surrogate": ("a.jsonl", '{"text": "\\ud83d", "label": "pos"}\n', ["row 5: .* half a surrogate pair"]),
    "NUL in JSON": ("a.jsonl", '{"text": "a\\u0000", "label": "pos"}\n', ["row 5: the text holds a NUL"]),
    "null label": ("a.jsonl", '{"text": "x", "label": null}\n', [r"row 5: no label \(null\)"]),
    "NaN in JSON": ("a.jsonl", '{"text": "x", "label": NaN}\n', [r"row 5: no label \(NaN\)"]),
    "label is a list": ("a.jsonl", '{"text": "x", "label": ["pos"]}\n', ["row 5: the label is a list"]),
    "label is an object": ("a.jsonl", '{"text": "x", "label": {"a": 1}}\n', ["row 5: the label .* is a dict"]),
    "mixed labels in JSON": ("a.jsonl", '{"text": "x", "label": true}\n', ["row 5: the label 'true' is a boolean"]),
    "bad UTF-8 in JSON": ("a.jsonl", b'{"text": "\xff", "label": "pos"}\n', ["row 5: not UTF-8 .byte 0xff"]),
}


def one_line(error):
    message = str(error.value)
    assert "\n" not in message and len(message) < 500
    return message


def write(directory, name, content):
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def reader(path):
    return {".jsonl": tfconv.data.jsonl, ".parquet": tfconv.data.parquet}.get(path.suffix, tfconv.data.csv)


@pytest.mark.parametrize("name, content, parts", BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files(tmp_path, name, content, parts):
    path = write(tmp_path, name, content)
    with pytest.raises(InputError) as error:
        list(tfconv.data.read_rows(path)) if path.suffix == ".xlsx" else reader(path)(path)
    for part in parts:
        assert re.search(part, one_line(error))


@pytest.mark.parametrize("name, row, parts", BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows(tmp_path, name, row, parts):
    good = HEAD + GOOD
    if name.endswith("l"):
        good = "".join(
            json.dumps({"text": text, "label": label}) + "\n"
            for text, label in (line.split(",") for line in GOOD.splitlines())
        )
    path = write(tmp_path, name, good.encode() + (row if isinstance(row, bytes) else row.encode()))
    with pytest.raises(InputError) as error:
        reader(path)(path)
    message = one_line(error)
    assert message.startswith(str(path)) and "skip=True" in message
    data = reader(path)(path, Columns(skip=True, validation=0))
    assert len(data.examples["train"]) == 4 and data.class_names == ("neg", "pos")
    assert 1 <= len(data.skipped) <= 2
    for part in parts:
        assert re.search(part, message)
    assert message.startswith(data.skipped[0])


def test_a_folder_or_nothing_in_place_of_a_file(tmp_path):
    write(tmp_path, "reviews.csv", HEAD + GOOD)
    with pytest.raises(InputError, match="is a folder, not a file; read .* text_folder"):
        tfconv.data.csv(tmp_path)
    with pytest.raises(InputError, match=r"review.csv: no such file; did you mean 'reviews.csv'\?"):
        tfconv.data.csv(tmp_path / "review.csv")
    with pytest.raises(InputError, match="no such file; check the path"):
        tfconv.data.csv(tmp_path / "nowhere" / "qqq.csv")


def test_a_label_that_is_only_in_test(tmp_path):
    path = write(tmp_path, "a.csv", HEAD + GOOD)
    other = write(tmp_path, "b.csv", HEAD + "x,pos\ny,mixed\nz,mixed\n")
    with pytest.raises(InputError, match=r"b.csv row 3: the label 'mixed' is in no training row, only in test"):
        tfconv.data.csv(path, Columns(test=other))
    data = tfconv.data.csv(path, Columns(test=other, skip=True))
    assert data.examples["test"].texts == ["x"] and len(data.skipped) == 2


def test_split_columns_and_test_files_that_contradict(tmp_path):
    rows = "text,label,part\na,x,train\nb,y,train\nc,x,train\nd,y,test\n"
    path = write(tmp_path, "a.csv", rows)
    with pytest.raises(InputError, match="column 'part' has test rows, and test='b.csv' is given too"):
        tfconv.data.csv(path, Columns(split="part", test="b.csv"))
    with pytest.raises(InputError, match="is the training file itself"):
        tfconv.data.csv(path, Columns(test=path))
    with pytest.raises(InputError, match="row 2: split 'a' is none of train, validation, test"):
        tfconv.data.csv(path, Columns(text="part", split="text"))
    with pytest.raises(InputError, match="no column 'prt'.*did you mean 'part'"):
        tfconv.data.csv(path, Columns(split="prt"))
    path = write(tmp_path, "t.csv", "text,label,part\na,x,test\nb,y,test\n")
    with pytest.raises(InputError, match="t.csv: no rows to train on; give"):
        tfconv.data.csv(path, Columns(split="part"))


def test_when_every_row_is_skipped_the_first_is_named(tmp_path):
    path = write(tmp_path, "a.csv", HEAD + ",pos\n,neg\n")
    with pytest.raises(InputError, match="a.csv: no rows to train on; 2 were skipped, the first: .*row 2: empty text"):
        tfconv.data.csv(path, Columns(skip=True))
    path = write(tmp_path, "b.csv", HEAD + "x,pos\ny,neg\n")
    with pytest.raises(InputError, match="no rows to train on; 2 were skipped, the first: .*row 2: the label 'pos'"):
        tfconv.data.csv(path, Columns(skip=True))


def test_skipping_a_row_can_make_another_label_occur_once(tmp_path):
    rows = HEAD + GOOD + "a,p|q\nb,q\n"
    path = write(tmp_path, "a.csv", rows)
    data = tfconv.data.csv(path, Columns(multi_label=True, skip=True, validation=0))
    assert [line.split(" row ")[1][:1] for line in data.skipped] == ["6", "7"]
    assert data.class_names == ("neg", "pos")


def test_arguments_out_of_range(tmp_path):
    path = write(tmp_path, "a.csv", HEAD + GOOD)
    with pytest.raises(InputError, match="validation must be a fraction .* got 1.5"):
        tfconv.data.csv(path, Columns(validation=1.5))
    with pytest.raises(InputError, match="test must be a fraction .* got 2"):
        tfconv.data.csv(path, Columns(test=2))
    with pytest.raises(InputError, match="delimiter must be one character"):
        tfconv.data.csv(path, Columns(dialect=Dialect(delimiter="::")))
    with pytest.raises(InputError, match="quoting must be minimal or none, got 'all'"):
        tfconv.data.csv(path, Columns(dialect=Dialect(quoting="all")))
    for name in ("nonsense", "hex", "rot13", "a\0b"):
        with pytest.raises(InputError, match="encoding .* is none that Python knows"):
            tfconv.data.csv(path, Columns(dialect=Dialect(encoding=name)))


def test_bad_parquet_rows(tmp_path):
    broken = pyarrow.StringArray.from_buffers(
        2, pyarrow.array([0, 1, 2], pyarrow.int32()).buffers()[1], pyarrow.py_buffer(b"\xffa")
    )
    pyarrow.parquet.write_table(pyarrow.table({"text": broken, "label": [1, 0]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="a.parquet row 1: not UTF-8"):
        tfconv.data.parquet(tmp_path / "a.parquet")
    skipped = []
    assert list(tfconv.data.read_rows(tmp_path / "a.parquet", skipped=skipped)) == [(2, "a", "0")] and len(skipped) == 1
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut.parquet: not a Parquet file, or a damaged one"):
        tfconv.data.parquet(tmp_path / "cut.parquet")
    with pytest.raises(InputError, match="no column 'txt'; there are 'text', 'label'; did you mean 'text'"):
        tfconv.data.parquet(tmp_path / "a.parquet", Columns(text="txt"))


@pytest.mark.parametrize(
    "label",
    [
        pyarrow.array([7, 1], pyarrow.timestamp("ns")),
        pyarrow.array([2**62, 1], pyarrow.timestamp("us")),
        pyarrow.array([2**31 - 1, 1], pyarrow.date32()),
        pyarrow.array([2**62, 1], pyarrow.duration("s")),
    ],
    ids=["nanoseconds", "microseconds", "days", "duration"],
)
def test_parquet_times_that_python_has_not(tmp_path, label):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": label}), path)
    with pytest.raises(InputError, match="a.parquet row 1: a date or time too far or too fine for Python; write it"):
        tfconv.data.parquet(path)
    skipped = []
    assert not list(tfconv.data.read_rows(path, skipped=skipped)) and len(skipped) == 2
    assert "row 2" in skipped[1]


def test_parquet_texts_that_are_stored_once_stay_one(tmp_path):
    texts = pyarrow.array(["x" * 1000 + "1", "x" * 1000 + "2"])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([i % 2 for i in range(3000)]), texts)
    table = pyarrow.table({"text": column, "label": [str(i % 2) for i in range(3000)]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    rows = list(tfconv.data.read_rows(tmp_path / "a.parquet"))
    assert [(text[-1], label) for _, text, label in rows] == [("12"[i % 2], "01"[i % 2]) for i in range(3000)]
    assert len({id(text) for _, text, _ in rows[:1000]}) == 2


def test_parquet_columns_of_one_name(tmp_path):
    columns = [pyarrow.array(values) for values in (["a", "b"], [1, 0], ["c", "d"])]
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names=["text", "label", "text"]), path)
    with pytest.raises(InputError, match="a.parquet: 2 columns are called 'text'; rename all but one"):
        tfconv.data.parquet(path)
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names=["x", "label", "text"]), path)
    assert list(tfconv.data.read_rows(path)) == [(1, "c", "1"), (2, "d", "0")]


def test_an_empty_separator(tmp_path):
    path = write(tmp_path, "a.csv", HEAD + GOOD)
    with pytest.raises(InputError, match="separator is empty; give what stands between the labels"):
        tfconv.data.csv(path, Columns(multi_label=True, separator=""))
    assert tfconv.data.csv(path, Columns(separator="")).class_names == ("neg", "pos")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path, "a.parquet", "x")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=re.escape("pip install tfconv[parquet]")):
        tfconv.data.parquet(path)
