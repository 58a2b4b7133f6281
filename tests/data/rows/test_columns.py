"""What `Columns` says of the options it is given, and that every source takes it in the same way."""

from pathlib import Path

import pytest

import tfconv.data
from tfconv import InputError, tasks
from tfconv.data import Columns


def test_what_the_options_mean():
    columns = Columns()
    assert (columns.task, columns.validation_fraction, columns.test_fraction) == (tasks.CLASSIFICATION, 0.1, 0.0)
    assert Columns(multi_label=True).task is tasks.MULTI_LABEL and Columns(validation=0).validation_fraction == 0
    for test, fraction, file in (
        (0.2, 0.2, None),
        ("0.25", 0.25, None),
        ("a.csv", 0.0, "a.csv"),
        (Path("b"), 0.0, Path("b")),
    ):
        assert (Columns(test=test).test_fraction, Columns(test=test).test_file) == (fraction, file)
    assert (Columns(text="a").content("text"), Columns(image="b").content("image")) == ("a", "b")


def test_bad_rows_are_skipped_without_a_list_for_them(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("review,stars\ngood,1\n,1\nbad,0\n")
    columns = {"text": "review", "label": "stars"}
    assert list(tfconv.data.read_rows(path, Columns(**columns, skip=True))) == [(2, "good", "1"), (4, "bad", "0")]
    with pytest.raises(InputError, match="row 3: empty text; mend it, or leave such examples out with skip=True"):
        list(tfconv.data.read_rows(path, Columns(**columns)))
