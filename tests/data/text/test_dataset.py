import subprocess
import sys

import numpy as np
import pytest

import tfconv
from tfconv.data.text.dataset import TextData, TextExamples
from tfconv.tasks import MULTI_LABEL


def test_summary_counts_splits_classes_and_skipped_rows():
    train = TextExamples(["a", "b", "c"], np.array([0, 1, 1], np.int32))
    test = TextExamples(["d"], np.array([1], np.int32))
    free = TextExamples(["e", "f"], np.array([-1, -1], np.int32))
    lines = tuple(f"x.csv row {row}: empty text" for row in range(2, 9))
    data = TextData("x", ("no", "yes"), {"train": train, "test": test, "unlabelled": free}, lines)
    table = [line.split() for line in data.summary().splitlines()]
    assert table[0] == "x: 6 texts, 2 classes, 7 skipped".split()
    assert table[1:5] == [
        ["class", "train", "test", "unlabelled"],
        ["no", "1", "0", "0"],
        ["yes", "2", "1", "0"],
        ["all", "texts", "3", "1", "2"],
    ]
    assert data.summary().count("empty text") == 5
    assert "2 more" in str(data)
    assert repr(data) == "TextData('x', 2 classes, train: 3, test: 1, unlabelled: 2, 7 skipped)"
    assert len(repr(train)) < 80


def test_many_classes_and_many_labels_are_summed_up():
    labels = np.eye(30, dtype=np.float32)
    labels[:, 0] = 1
    train = TextExamples([str(i) for i in range(30)], labels)
    data = TextData("x", tuple(f"c{i:02}" for i in range(30)), {"train": train}, task=MULTI_LABEL)
    lines = data.summary().splitlines()
    assert "any number" in lines[0]
    assert lines[2].split() == ["c00", "30"]
    assert lines[22].split() == ["(10", "more", "classes)", "10"]


def test_labels_must_be_as_many_as_texts():
    with pytest.raises(ValueError, match="2 labels, 1 texts"):
        TextExamples(["a"], np.array([0, 1]))


def test_every_public_name_is_there_and_sources_import_no_tensorflow():
    code = (
        "import sys, tfconv; names = ['csv', 'imdb', 'jsonl', 'parquet', 'read_vectors', 'read_rows',"
        " 'synthetic_reviews', 'text_folder', 'tfds', 'TextData', 'TextExamples', 'WordVectors']\n"
        "import tfconv.data.sets.imdb, tfconv.data.rows.tables\n"
        "assert all(callable(getattr(tfconv.data, name)) for name in names)\n"
        "assert not {'tensorflow', 'pyarrow', 'keras', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(dir(tfconv.data)) == set(tfconv.data.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        tfconv.data.nothing  # noqa: B018
