"""The first pass over streamed rows, without TensorFlow: check every row, find the classes, count the splits."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from tfconv.data.labels import Bad, Key, bad_labels, check_classes, label_key, label_name, sorted_class_names
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.detection import detected
from tfconv.data.rows.files import file_format
from tfconv.data.rows.labelled import LabelledRow, labelled_rows, no_training_rows, row_is_good
from tfconv.data.rows.records import memory_named, reject
from tfconv.errors import InputError
from tfconv.files import write_json
from tfconv.progress import progress
from tfconv.tasks import Task

__all__ = ["RowStream", "Scan", "SkippedRows", "checked_rows", "opened", "scan", "share"]

_LISTED = 1000
_MOST_LABELS = 100_000
_SPLITS = ("train", "validation", "test")


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
    """The files of a stream, and how to read them.

    Args:
        files: the files in order.
        columns: the columns and how they are written; which fractions of the rows are held out, and the seed.
    """

    files: tuple[_File, ...]
    columns: Columns = DEFAULT_COLUMNS

    @classmethod
    def of(cls, files: list[Path], test_files: list[Path], columns: Columns = DEFAULT_COLUMNS) -> "RowStream":
        """Read `files`, and `test_files` to test on; a file in both is a test file."""
        apart = {path.resolve() for path in test_files}
        training = [path for path in files if path.resolve() not in apart]
        if not training:
            raise InputError(f"{files[0]}: all files are test files; name others to train on, or a fraction to test on")
        named = [_File(path, name, None) for path, name in zip(training, _names(training), strict=True)]
        named += [_File(path, path.name, "test") for path in test_files]
        first = next((path for path in training if not path.exists() or path.stat().st_size), training[0])
        if first.exists() and file_format(first) == "csv":  # as one of them is written, all are
            columns = detected(first, columns)
        return cls(tuple(named), replace(columns, test=columns.test_fraction))  # test files are among the files

    def rows(
        self, skipped: list[str] | None = None, read: Callable[[int], None] | None = None
    ) -> Iterator[tuple[LabelledRow, str]]:
        """All rows in order, each with its random split, by (seed, file name, row number).

        Args:
            skipped: takes one line for each bad row; without it a bad row is an error.
            read: is told now and then how many more bytes were read.

        Yields:
            The row, whose `split` is what its file or the split column says, None where neither does; and its random
            split.

        Raises:
            InputError: as `tfconv.data.read_rows`.
        """
        columns, test = self.columns, self.columns.test_fraction
        held = test + (1 - test) * columns.validation_fraction
        for path, name, split in self.files:
            if skipped is not None and path.is_file() and path.stat().st_size == 0:
                skipped.append(f"{path}: empty (0 bytes)")
                continue
            found = labelled_rows(
                path, columns if split is None else replace(columns, split=None), skipped=skipped, read=read
            )
            with memory_named(path):
                for row in found:
                    place = share(f"{columns.seed}\0{name}\0{row.number}")
                    drawn = "test" if place < test else "validation" if place < held else "train"
                    yield (row if split is None else row._replace(split=split)), drawn


def _names(paths: list[Path]) -> list[str]:
    """The names of files; where one occurs twice, all begin at the folder that is common to them."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    base = os.path.commonpath([path.resolve().parent for path in paths])
    return [os.path.relpath(path.resolve(), base) for path in paths]


def share(key: str) -> float:
    """A number in [0, 1) from the hash of a key."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


@dataclass(frozen=True)
class Scan:
    """What the first pass found.

    Args:
        class_names: in the order of their indices.
        counts: rows of each class (with several labels, rows that bear it), by split, for the splits that have rows.
        sizes: rows of each split.
        column_validates: the split column names rows for validation, so that none are drawn.
        bad: labels whose rows are left out.
        skipped: lines on rows left out, the first thousand.
        more_skipped: how many more there were.
    """

    class_names: tuple[str, ...]
    counts: dict[str, list[int]]
    sizes: dict[str, int]
    column_validates: bool
    bad: Bad
    skipped: tuple[str, ...]
    more_skipped: int

    def write(self, folder: Path) -> None:
        """Write it into `folder`."""
        bad = [[*key, *words] for key, words in self.bad.items()]
        write_json(folder / "scan.json", asdict(self) | {"bad": bad})


def opened(folder: Path) -> Scan | None:
    """What `Scan.write` wrote; None where it is absent or damaged."""
    try:
        values = json.loads((folder / "scan.json").read_bytes())
        bad = {(kind, name): (problem, remedy) for kind, name, problem, remedy in values.pop("bad")}
        names, skipped = tuple(values.pop("class_names")), tuple(values.pop("skipped"))
        return Scan(**values, bad=bad, class_names=names, skipped=skipped)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def scan(stream: RowStream, what: str) -> Scan:
    """Check all rows in one pass, or with `columns.skip` in several, until no label is bad.

    Args:
        stream: the rows.
        what: what they are called, for messages.

    Raises:
        InputError: as `tfconv.data.csv`.
    """
    bad: Bad = {}
    skip = stream.columns.skip
    while True:
        skipped = SkippedRows() if skip else None
        seen = _Seen()
        size = sum(file.path.stat().st_size for file in stream.files if file.path.exists())
        with progress("reading rows of", what, size) as read:
            for row, drawn in stream.rows(skipped, read):
                if row_is_good(row, bad, skipped):
                    seen.add(row, drawn)
        parts = seen.parts(stream, what, skipped)
        worse = bad_labels(parts, seen.first)
        for key, (problem, remedy) in worse.items():
            if not skip:
                reject(seen.first[key], problem, remedy, None)
            bad[key] = problem, remedy
        if not worse:
            return _result(seen, parts, bad, skipped or SkippedRows(), stream.columns.task, what)


def checked_rows(stream: RowStream, found: Scan) -> Iterator[tuple[LabelledRow, tuple[str, ...], str]]:
    """The rows that passed the scan, with their class names and splits.

    Raises:
        InputError: as `scan`, where the files changed since.
    """
    skipped = SkippedRows() if stream.columns.skip else None
    for row, drawn in stream.rows(skipped):
        if row_is_good(row, found.bad, skipped):
            names = tuple(dict.fromkeys(label_name(label) for label in row.labels))
            yield row, names, _split(row.split, drawn, found.column_validates)


def _split(said: str | None, drawn: str, column_validates: bool) -> str:
    if said in ("validation", "test"):
        return said
    return "train" if column_validates and drawn == "validation" else drawn


@dataclass
class _Seen:
    """Counts by (what the row said, what was drawn), the splits of which are decided when all rows are read."""

    rows: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    labels: dict[Key, Counter[tuple[str | None, str]]] = field(default_factory=dict)
    first: dict[Key, str] = field(default_factory=dict)

    def add(self, row: LabelledRow, drawn: str) -> None:
        place = (row.split, drawn)
        self.rows[place] += 1
        for key in {label_key(label): None for label in row.labels}:
            if key not in self.labels:
                if len(self.labels) == _MOST_LABELS:
                    raise InputError(
                        f"{row.where}: more than {_MOST_LABELS:,} different labels; is this the label column?"
                    )
                self.labels[key], self.first[key] = Counter(), row.where
            self.labels[key][place] += 1

    def parts(self, stream: RowStream, what: str, skipped: SkippedRows | None) -> dict[Key, Counter[str]]:
        """How many rows of each split bear each label.

        Raises:
            InputError: there are no training rows, or test rows both named and to be drawn.
        """
        columns = stream.columns
        if columns.test_fraction and any(said == "test" for said, _ in self.rows):
            raise InputError(
                f"{what}: column {columns.split!r} has test rows, and test={columns.test!r} is given too; choose one"
            )
        if not self.sizes()["train"]:
            raise no_training_rows(what, len(skipped) + skipped.more if skipped else 0, skipped or ())
        return {key: self._by_split(places) for key, places in self.labels.items()}

    def sizes(self) -> Counter[str]:
        return self._by_split(self.rows)

    def column_validates(self) -> bool:
        return any(said == "validation" for said, _ in self.rows)

    def _by_split(self, places: Counter[tuple[str | None, str]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for (said, drawn), count in places.items():
            counts[_split(said, drawn, self.column_validates())] += count
        return counts


def _result(seen: _Seen, parts: dict[Key, Counter[str]], bad: Bad, skipped: SkippedRows, task: Task, what: str) -> Scan:
    by_name = {name: counts for (_, name), counts in parts.items()}
    classes = sorted_class_names(by_name)
    check_classes(classes, task, what, "text")
    sizes: dict[str, Any] = {split: seen.sizes()[split] for split in _SPLITS if seen.sizes()[split]}
    counts = {split: [by_name[name][split] for name in classes] for split in sizes}
    return Scan(classes, counts, sizes, seen.column_validates(), bad, tuple(skipped), skipped.more)
