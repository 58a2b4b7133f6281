"""What a data set of texts and one of pictures share: splits with labels, how many outputs they need, a summary."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["LabelledData", "class_counts"]

_CLASSES_SHOWN = 20
_SKIPPED_SHOWN = 5


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """How many examples bear each label: int64 (classes,); zeros for unlabelled ones."""
    if labels.ndim == 2:
        return labels.sum(axis=0).astype(np.int64)
    return np.bincount(labels[labels >= 0], minlength=classes)


@dataclass(frozen=True, eq=False, repr=False)
class LabelledData:
    """A named data set with its classes and splits; `TextData` and `ImageData` say how it becomes batches."""

    unit: ClassVar[str]  # what one example is, for messages

    name: str
    class_names: tuple[str, ...]
    multi_label: bool
    examples: dict[str, Any]
    skipped: tuple[str, ...] = ()
    preparation: Any = None

    def prepare(self, **changes: Any) -> Self:
        """The same examples with other settings of `preparation`, such as `data.prepare(batch_size=256)`."""
        return replace(self, preparation=replace(self.preparation, **changes))

    @property
    def outputs(self) -> int:
        """Logits that a model of this data needs: one for two classes, otherwise one for each class."""
        return 1 if len(self.class_names) == 2 and not self.multi_label else len(self.class_names)

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
        """A small table: examples by class and split, then how many rows were skipped and the first of them."""
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
        kind = f"labels, any number a {self.unit}" if self.multi_label else "classes"
        total = sum(len(part) for part in self.examples.values())
        head = f"{self.name}: {total:,} {self.unit}s, {len(self.class_names)} {kind}, {len(self.skipped):,} skipped"
        notes = [f"skipped {line}" for line in self.skipped[:_SKIPPED_SHOWN]]
        if len(self.skipped) > _SKIPPED_SHOWN:
            notes.append(f"and {len(self.skipped) - _SKIPPED_SHOWN:,} more, listed in .skipped")
        return "\n".join([head, *table, *notes])
