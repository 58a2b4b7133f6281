"""From labelled rows to a data set of texts or of images: checks over all rows, class names, splits."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfconv.data.labels import label_kind, label_name, sorted_class_names
from tfconv.data.rows.columns import Columns
from tfconv.data.rows.labelled import LabelledRow
from tfconv.data.rows.records import reject
from tfconv.data.splits import check_fraction, stratified_split
from tfconv.data.text.dataset import TextData, TextExamples
from tfconv.errors import InputError
from tfconv.tasks import Task

__all__ = ["Assembled", "assemble"]

_KINDS = {"number": "number", "boolean": "boolean", "text": "word"}


class Assembled(NamedTuple):
    """Rows that passed the checks over all rows, and what was decided about them.

    `labels` are as in `TextExamples`; `parts` has the indices into `rows` of each split that has rows; `notes` are
    lines on rows left out.
    """

    rows: list[LabelledRow]
    labels: np.ndarray
    class_names: tuple[str, ...]
    task: Task
    parts: dict[str, np.ndarray]
    notes: tuple[str, ...]

    def text_data(self, name: str) -> TextData:
        """The rows' texts as a data set called `name`."""
        every = TextExamples([row.values["text"] for row in self.rows], self.labels)
        examples = {split: every.take(indices) for split, indices in self.parts.items()}
        return TextData(name, self.class_names, examples, self.notes, task=self.task)


def assemble(
    rows: Sequence[LabelledRow],
    columns: Columns,
    *,
    where: str,
    noun: str = "text",
    skipped: Sequence[str] = (),
    one_kind: bool = True,
    class_names: tuple[str, ...] | None = None,
) -> Assembled:
    """Check rows together, give the classes their indices, and split.

    Args:
        rows: the rows; those whose `split` is None count as training rows.
        columns: the task; the fractions of the training rows to hold out for testing, and of the rest for validation,
            where no row is for that; the seed; whether bad rows are skipped.
        where: the file or folder, for messages.
        noun: what is classified: `"text"` or `"image"`.
        skipped: lines on rows left out before.
        one_kind: refuse a mixture of numbers, booleans and other strings as labels.
        class_names: the classes in order where the source knows them; such classes may have a single example.

    Returns:
        Splits train, and validation and test where they have rows; within a split the order of `rows`.

    Raises:
        InputError: no rows, a single class, or (unless `columns.skip`) mixed kinds of labels, a label that occurs once,
            a label that no training row has; a fraction is not in [0, 1).
    """
    check_fraction("validation", columns.validation_fraction)
    check_fraction("test", columns.test_fraction)
    notes = list(skipped)
    collector = notes if columns.skip else None
    kept = list(rows)
    _require_training_rows(kept, notes, where)
    if one_kind:
        kept = _of_one_kind(kept, collector)
    names = [tuple(dict.fromkeys(label_name(label) for label in row.labels)) for row in kept]
    if class_names is None:
        kept, names = _without_lonely(kept, names, collector)
    _require_training_rows(kept, notes, where)
    classes = class_names or sorted_class_names(label for row in names for label in row)
    if len(classes) < (2 if columns.task.exclusive else 1):
        found = f"the only class is {classes[0]!r}" if classes else f"no {noun} has a label"
        raise InputError(f"{where}: {found}; a classifier needs two or more, so check the label column")
    labels = columns.task.label_array(names, classes)
    splits = np.array([row.split or "train" for row in kept])
    parts = {split: np.flatnonzero(splits == split) for split in ("train", "validation", "test")}
    for split, fraction, stream in (("test", columns.test_fraction, 1), ("validation", columns.validation_fraction, 0)):
        if not len(parts[split]):
            kept_here, held = stratified_split(labels[parts["train"]], fraction, seed=[columns.seed, stream])
            parts[split], parts["train"] = parts["train"][held], parts["train"][kept_here]
    filled = {split: part for split, part in parts.items() if len(part)}
    return Assembled(kept, labels, classes, columns.task, filled, tuple(notes))


def _require_training_rows(rows: list[LabelledRow], notes: list[str], where: str) -> None:
    if not any(row.split in (None, "train") for row in rows):
        first = f"; {len(notes):,} were skipped, the first: {notes[0]}" if notes else ""
        raise InputError(f"{where}: no rows to train on{first}; give at least two classes of two rows each")


def _of_one_kind(rows: list[LabelledRow], skipped: list[str] | None) -> list[LabelledRow]:
    """The rows whose labels are of the kind that most labels are of."""
    first: dict[str, LabelledRow] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        for label in row.labels:
            kind = label_kind(label)
            first.setdefault(kind, row)
            counts[kind] += 1
    if len(counts) < 2:
        return rows
    usual = counts.most_common(1)[0][0]
    kept = []
    for row in rows:
        others = [label for label in row.labels if label_kind(label) != usual]
        if others:
            found = _KINDS[label_kind(others[0])]
            problem = (
                f"the label {others[0]!r} is a {found} where most are {_KINDS[usual]}s, as in {first[usual].where}"
            )
            reject(row.where, problem, "write every label in the same way", skipped)
        else:
            kept.append(row)
    return kept


def _without_lonely(
    rows: list[LabelledRow], names: list[tuple[str, ...]], skipped: list[str] | None
) -> tuple[list[LabelledRow], list[tuple[str, ...]]]:
    """Without the rows whose label nothing can be learned about; leaving one out can make another label lonely."""
    while True:
        counts: Counter[str] = Counter()
        trained: set[str] = set()
        for row, labels in zip(rows, names, strict=True):
            counts.update(labels)
            if row.split in (None, "train"):
                trained.update(labels)
        kept = []
        for index, (row, labels) in enumerate(zip(rows, names, strict=True)):
            once = next((label for label in labels if counts[label] == 1), None)
            unknown = next((label for label in labels if label not in trained), None)
            if once is not None:
                remedy = "mend a misspelling or give more examples"
                reject(row.where, f"the label {once!r} is seen only here", remedy, skipped)
            elif unknown is not None:
                problem = f"the label {unknown!r} is in no training row, only in {row.split}"
                reject(row.where, problem, "add training rows of it", skipped)
            else:
                kept.append(index)
        if len(kept) == len(rows):
            return rows, names
        rows, names = [rows[index] for index in kept], [names[index] for index in kept]
