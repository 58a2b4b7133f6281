"""Make a data set of labelled rows: check all rows together, number the classes, split."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfconv.data.labels import Key, bad_labels, check_classes, label_key, label_name, sorted_class_names
from tfconv.data.rows.columns import Columns
from tfconv.data.rows.labelled import LabelledRow, no_training_rows, row_is_good
from tfconv.data.splits import stratified_split
from tfconv.data.text.dataset import TextData, TextExamples
from tfconv.errors import check_fraction
from tfconv.tasks import Task

__all__ = ["Assembled", "assemble"]


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
        skipped: lines on rows that were left out before.
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
    _require_training_rows(rows, notes, where)
    kept = _without_bad_labels(rows, collector, one_kind=one_kind, rare=class_names is not None)
    _require_training_rows(kept, notes, where)
    names = [tuple(dict.fromkeys(label_name(label) for label in row.labels)) for row in kept]
    classes = class_names or sorted_class_names(label for row in names for label in row)
    check_classes(classes, columns.task, where, noun)
    labels = columns.task.label_array(names, classes)
    splits = np.array([row.split or "train" for row in kept])
    parts = {split: np.flatnonzero(splits == split) for split in ("train", "validation", "test")}
    for split, fraction, stream in (("test", columns.test_fraction, 1), ("validation", columns.validation_fraction, 0)):
        if not len(parts[split]):
            kept_here, held = stratified_split(labels[parts["train"]], fraction, seed=[columns.seed, stream])
            parts[split], parts["train"] = parts["train"][held], parts["train"][kept_here]
    filled = {split: part for split, part in parts.items() if len(part)}
    return Assembled(kept, labels, classes, columns.task, filled, tuple(notes))


def _require_training_rows(rows: Sequence[LabelledRow], notes: list[str], where: str) -> None:
    if not any(row.split in (None, "train") for row in rows):
        raise no_training_rows(where, len(notes), notes)


def _without_bad_labels(
    rows: Sequence[LabelledRow], skipped: list[str] | None, *, one_kind: bool, rare: bool
) -> list[LabelledRow]:
    """The rows without those of `bad_labels`; leaving a row out can make another label occur once."""
    kept = list(rows)
    while True:
        counts: dict[Key, Counter[str]] = {}
        first: dict[Key, str] = {}
        for row in kept:
            for key in {label_key(label): None for label in row.labels}:
                first.setdefault(key, row.where)
                counts.setdefault(key, Counter())[row.split or "train"] += 1
        bad = bad_labels(counts, first, one_kind=one_kind, rare=rare)
        if not bad:
            return kept
        kept = [row for row in kept if row_is_good(row, bad, skipped)]
