"""Labelled rows of many files, read as often as need be and never held; each row's split follows from where it is."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tfconv.data.dialect import Dialect
from tfconv.data.records import memory_named
from tfconv.data.row_readers import LabelledRow, file_format, labelled_rows, settle_rows
from tfconv.errors import InputError

__all__ = ["RowStream", "SkippedRows", "share"]

_LISTED = 1000


class SkippedRows(list[str]):
    """Lines on rows left out: the first thousand, and the number of the others."""

    more = 0

    def append(self, line: str) -> None:
        """Keep the line, or count it."""
        if len(self) < _LISTED:
            super().append(line)
        else:
            self.more += 1


class _File(NamedTuple):
    path: Path
    name: str  # which does not change when the folder of all files is moved, or files with other names are added
    split: str | None  # of all its rows


@dataclass(frozen=True)
class RowStream:
    """What to read, and how.

    Args:
        files: the files in order.
        text: the column of the texts.
        label: the column of the labels.
        split: a column that says train, validation or test.
        multi_label: a text may have any number of labels.
        separator: between the labels of one text.
        dialect: how CSV files are written.
        validation: the share of the training rows to hold out.
        test: the share of all rows to hold out before that.
        seed: decides which.
    """

    files: tuple[_File, ...]
    text: str = "text"
    label: str = "label"
    split: str | None = None
    multi_label: bool = False
    separator: str = "|"
    dialect: Dialect | None = None
    validation: float = 0.1
    test: float = 0.0
    seed: int = 0

    @classmethod
    def of(cls, files: list[Path], test_files: list[Path], **settings: Any) -> "RowStream":
        """Read `files`, and `test_files` to test on; a file in both is a test file."""
        apart = {path.resolve() for path in test_files}
        training = [path for path in files if path.resolve() not in apart]
        if not training:
            raise InputError(f"{files[0]}: all files are test files; name others to train on, or a fraction to test on")
        named = [_File(path, name, None) for path, name in zip(training, _names(training), strict=True)]
        named += [_File(path, path.name, "test") for path in test_files]
        noun: dict[str, Any] = {"text": settings.pop("text", None), "label": settings.pop("label", None)}
        first = next((path for path in training if not path.exists() or path.stat().st_size), training[0])
        if first.exists() and file_format(first) == "csv":  # as one of them is written, all are
            settled = settle_rows(
                first, settings.pop("dialect", None), noun["text"], noun["label"], settings.get("split")
            )
            noun = {"text": settled.text, "label": settled.label, "dialect": settled.dialect}
        return cls(tuple(named), **{name: value for name, value in noun.items() if value is not None}, **settings)

    def rows(
        self, skipped: list[str] | None = None, read: Callable[[int], None] | None = None
    ) -> Iterator[tuple[LabelledRow, str]]:
        """All rows in order, each with the split that chance puts it in, by (seed, file name, row number).

        Args:
            skipped: takes one line for each bad row; without it a bad row is an error.
            read: is told now and then how many more bytes were read.

        Yields:
            The row, whose `split` is where its file or the split column puts it, None where neither does; and the
            split by chance.

        Raises:
            InputError: as `tfconv.data.rows`.
        """
        held = self.test + (1 - self.test) * self.validation
        for path, name, split in self.files:
            if skipped is not None and path.is_file() and path.stat().st_size == 0:
                skipped.append(f"{path}: empty (0 bytes)")
                continue
            found = labelled_rows(
                path, text=self.text, label=self.label, split=self.split if split is None else None,
                multi_label=self.multi_label, separator=self.separator, dialect=self.dialect, skipped=skipped,
                read=read,
            )  # fmt: skip
            with memory_named(path):
                for row in found:
                    place = share(f"{self.seed}\0{name}\0{row.number}")
                    drawn = "test" if place < self.test else "validation" if place < held else "train"
                    yield (row if split is None else row._replace(split=split)), drawn


def _names(paths: list[Path]) -> list[str]:
    """The names of files; where one occurs twice, all begin at the folder that is common to them."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    base = os.path.commonpath([path.resolve().parent for path in paths])
    return [os.path.relpath(path.resolve(), base) for path in paths]


def share(key: str) -> float:
    """A number in [0, 1) that is evenly spread over keys."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
