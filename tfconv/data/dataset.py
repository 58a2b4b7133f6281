"""A labelled data set of any kind: its splits, folds and batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np

from tfconv.data.splits import stratified_folds, stratified_parts, stratified_split
from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, Task

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.preprocess import Preprocess

__all__ = ["Examples", "LabelledData", "class_counts"]

_CLASSES_SHOWN = 20
_SKIPPED_SHOWN = 5


class Examples(Protocol):
    """The labelled examples of one split."""

    @property
    def labels(self) -> np.ndarray:
        """As `Task.label_array` makes them; -1 for unlabelled examples."""

    def __len__(self) -> int:
        """How many there are."""

    def take(self, indices: np.ndarray) -> "Examples":
        """The examples at `indices`, in that order."""

    def join(self, other: Self) -> "Examples":
        """These examples, then the others."""

    def class_counts(self, classes: int) -> np.ndarray:
        """How many examples bear each label: int64 (classes,)."""

    def contents(self) -> Iterator[bytes]:
        """Each example as bytes, by which equal ones are told."""

    def excerpt(self, number: int) -> str:
        """What of an example a message can show, such as the first words of a text; "" where there is nothing."""


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """How many examples bear each label: int64 (classes,); zeros for unlabelled ones."""
    if labels.ndim == 2:
        return labels.sum(axis=0).astype(np.int64)
    return np.bincount(labels[labels >= 0], minlength=classes)


@dataclass(frozen=True, eq=False, repr=False)
class LabelledData:
    """A named data set with its classes and splits; `TextData` and `ImageData` make batches of it."""

    unit: ClassVar[str]  # what one example is, for messages

    name: str
    class_names: tuple[str, ...]
    examples: Mapping[str, Examples]
    skipped: tuple[str, ...] = ()
    preparation: Any = None
    task: Task = field(default=CLASSIFICATION, kw_only=True)

    @property
    def preprocess(self) -> "Preprocess":
        """The preprocessing from raw examples to a model's inputs."""
        raise NotImplementedError

    def prepare(self, **changes: Any) -> Self:
        """The same examples with other settings of `preparation`, such as `data.prepare(batch_size=256)`."""
        return replace(self, preparation=replace(self.preparation, **changes))

    def fold(
        self,
        index: int,
        k: int,
        *,
        seed: int = 0,
        held_out: Literal["validation", "test"] = "validation",
    ) -> Self:
        """The same data set for one turn of a k-fold cross-validation.

        Train and validation are put together and dealt into k parts (`stratified_folds`). Part `index` is held out,
        the rest is trained on: what is learned from the training split (vocabulary, channel statistics) is learned
        anew, from the rest alone. Texts and pixels are shared, not copied.

        Args:
            index: which part is held out, from 0 to k - 1.
            k: how many parts.
            seed: of the parts: the same for all k folds of one cross-validation.
            held_out: `"validation"`: part `index` is the validation split; the test split stays as it is.
                `"test"`: part `index` is the test split, and the rest is cut into train and validation in the shares
                that they have now (no validation where there is none now); a test split of the data's own is left
                out. For trainings that stop by the validation loss: a part that chose the weights flatters them.

        Raises:
            InputError: there is no training split, or `index` or `k` is out of range.
        """
        pool, share = self._pool(("train", "validation"))
        parts = stratified_folds(pool.labels, k, seed)
        if isinstance(index, bool) or not 0 <= index < k:
            raise InputError(f"the fold must be from 0 to {k - 1}, got {index}")
        rest = np.flatnonzero(np.bincount(parts[index], minlength=len(pool)) == 0)
        examples = {"train": pool.take(rest), held_out: pool.take(parts[index])}
        if held_out == "test" and share["validation"]:
            kept, checked = stratified_split(pool.labels[rest], share["validation"], seed=[seed, index])
            examples |= {"train": pool.take(rest[kept]), "validation": pool.take(rest[checked])}
        return self._with(examples)

    def resplit(self, seed: int, *, held_out: Literal["validation", "test"] = "validation") -> Self:
        """The same data set with its splits drawn anew, in the shares that they have now.

        Args:
            seed: the same seed gives the same splits.
            held_out: `"validation"`: train and validation are put together and drawn anew; the test split stays as
                it is. `"test"`: all three are.

        Raises:
            InputError: there is no training split, or none to hold out.
        """
        pooled = ("train", "validation") if held_out == "validation" else ("train", "validation", "test")
        pool, share = self._pool(pooled)
        if not share[held_out]:
            raise InputError(f"{self.name} has no {held_out} split to draw anew: ask for one when reading it")
        parts = stratified_parts(pool.labels, validation=share["validation"], test=share.get("test", 0.0), seed=seed)
        return self._with({split: pool.take(rows) for split, rows in parts.items()})

    def only(self, examples: "Mapping[str, Examples]") -> "LabelledData":
        """The same data set with these splits and no others."""
        return replace(self, examples=examples)

    def _pool(self, splits: Sequence[str]) -> tuple[Examples, dict[str, float]]:
        """The examples of some splits together, and the share of each."""
        if "train" not in self.examples:
            raise InputError(f"{self.name} has no split 'train' to hold examples out of: it has {list(self.examples)}")
        parts = {split: self.examples[split] for split in splits if split in self.examples}
        pool = reduce(lambda one, other: one.join(other), parts.values())
        return pool, {split: len(parts.get(split, ())) / max(len(pool), 1) for split in splits}

    def _with(self, examples: dict[str, Examples]) -> Self:
        """Other splits, in the usual order."""
        order = [*dict.fromkeys(("train", "validation", "test", *self.examples))]
        both = {**self.examples, **examples}
        return replace(self, examples={split: both[split] for split in order if split in both})

    @property
    def outputs(self) -> int:
        """Number of logits that a model of this data needs: see `Task.outputs`."""
        return self.task.outputs(self.class_names)

    @cached_property
    def train(self) -> "tf.data.Dataset":
        """Training batches (inputs, labels), in a new order each epoch."""
        return self.batches("train", training=True)

    @cached_property
    def validation(self) -> "tf.data.Dataset":
        """Validation batches (inputs, labels), in order."""
        return self.batches("validation")

    @cached_property
    def test(self) -> "tf.data.Dataset":
        """Test batches (inputs, labels), in order."""
        return self.batches("test")

    def batches(self, split: str, *, training: bool = False) -> "tf.data.Dataset":
        """Batches of a split: reshuffled each epoch for training, in order otherwise.

        Raises:
            InputError: there is no such split.
        """
        if split not in self.examples:
            hint = f"; ask for one when reading it ({split}=0.1)" if split in ("test", "validation") else ""
            raise InputError(f"{self.name} has no split {split!r}: it has {', '.join(self.examples)}{hint}")
        return self._batches(split, training)

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        raise NotImplementedError

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split}: {len(part):,}" for split, part in self.examples.items())
        kind = type(self).__name__
        return f"{kind}({self.name!r}, {len(self.class_names)} classes, {sizes}, {len(self.skipped)} skipped)"

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return a table of the examples by class and split, and the first of the rows that were skipped."""
        splits = list(self.examples)
        counts = [part.class_counts(len(self.class_names)) for part in self.examples.values()]
        lines = [["class", *splits]]
        for index, name in enumerate(self.class_names[:_CLASSES_SHOWN]):
            lines.append([name, *(f"{count[index]:,}" for count in counts)])
        hidden = len(self.class_names) - _CLASSES_SHOWN
        if hidden > 0:
            rest = [f"{count[_CLASSES_SHOWN:].sum():,}" for count in counts]
            lines.append([f"({hidden} more classes)", *rest])
        lines.append([f"all {self.unit}s", *(f"{len(part):,}" for part in self.examples.values())])
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        table = []
        for line in lines:
            numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
            table.append("  ".join([line[0].ljust(widths[0]), *numbers]))
        kind = "labels, any number each" if not self.task.exclusive else "classes"
        total = sum(len(part) for part in self.examples.values())
        head = f"{self.name}: {total:,} {self.unit}s, {len(self.class_names)} {kind}, {len(self.skipped):,} skipped"
        notes = [f"skipped {line}" for line in self.skipped[:_SKIPPED_SHOWN]]
        if len(self.skipped) > _SKIPPED_SHOWN:
            notes.append(f"and {len(self.skipped) - _SKIPPED_SHOWN:,} more, listed in .skipped")
        return "\n".join([head, *table, *notes])
