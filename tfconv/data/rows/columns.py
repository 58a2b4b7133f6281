"""What the columns of a table mean, which rows are held out, and how a CSV file is written."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from tfconv import tasks
from tfconv.data.rows.dialect import Dialect

__all__ = ["DEFAULT_COLUMNS", "Columns"]

_VALIDATION = 0.1


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Settings by which labelled examples are read; every source of `tfconv.data` takes those that it has a use for.

    Args:
        text: column of the texts (of `tfds`: the feature); default: "text", or what a look at a CSV file finds.
        image: column of the image paths (of `tfds`: the feature); default: "image", or found. Paths that are not
            absolute begin at the table's folder.
        label: column of the labels (of `tfds`: the feature); default: "label", or found. Labels are words, numbers
            (sorted by value) or booleans.
        split: column that says train, validation (or val, valid, dev) or test for each row; default: none.
        test: another file of the same columns to test on; or the fraction of the rows to hold out for testing, also
            as a string; default: no test split.
        validation: fraction of the training rows to hold out, unless the split column has validation rows; default:
            0.1, and of CIFAR-10 the last 10,000 images.
        multi_label: an example may have any number of labels: a list of them, or one string with separators; an empty
            label then means none of them.
        separator: between the labels of one example, where they are one string.
        skip: leave bad rows, files and images out, one line each in `skipped` of the data set, in place of an error.
        seed: decides which rows are held out.
        dialect: how a CSV file is written; default: a look at its first rows says.
    """

    text: str | None = None
    image: str | None = None
    label: str | None = None
    split: str | None = None
    test: str | Path | float | None = None
    validation: float | None = None
    multi_label: bool = False
    separator: str = "|"
    skip: bool = False
    seed: int = 0
    dialect: Dialect = Dialect()

    def __post_init__(self) -> None:
        if isinstance(self.test, str):
            with contextlib.suppress(ValueError):
                object.__setattr__(self, "test", float(self.test))

    @property
    def task(self) -> tasks.Task:
        """One class an example, or any number of labels."""
        return tasks.MULTI_LABEL if self.multi_label else tasks.CLASSIFICATION

    @property
    def test_file(self) -> str | Path | None:
        """The file to test on, where `test` names one."""
        return self.test if isinstance(self.test, (str, os.PathLike)) else None

    @property
    def test_fraction(self) -> float:
        """The fraction of the rows to hold out for testing; 0 where `test` names a file."""
        return 0.0 if self.test is None or isinstance(self.test, (str, os.PathLike)) else self.test

    @property
    def validation_fraction(self) -> float:
        """The fraction of the training rows to hold out."""
        return _VALIDATION if self.validation is None else self.validation

    def content(self, noun: str) -> str | None:
        """The column of what is classified: `"text"` or `"image"`."""
        return {"text": self.text, "image": self.image}[noun]


DEFAULT_COLUMNS = Columns()
