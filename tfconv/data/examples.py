"""Labelled texts in memory: one split (`TextExamples`) and a whole data set (`TextData`)."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.data.preparation import Preparation
from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.text import TextPreprocess

__all__ = ["TextData", "TextExamples"]

_CLASSES_SHOWN = 20
_SKIPPED_SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class TextExamples:
    """The texts and labels of one split.

    Args:
        texts: n texts.
        labels: int32 (n,), the class index of each text; or float32 (n, classes) of 0 and 1 where a text has any
            number of labels; or int32 (n,) of -1 where the texts have none.

    Raises:
        ValueError: `labels` is not as long as `texts`.
    """

    texts: list[str]
    labels: np.ndarray

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(f"labels must be as many as texts: {len(self.labels)} labels, {len(self.texts)} texts")

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"TextExamples({len(self):,} texts, labels {self.labels.dtype} {self.labels.shape})"

    def take(self, indices: np.ndarray) -> "TextExamples":
        """The examples at `indices`, in that order."""
        return TextExamples([self.texts[i] for i in indices], self.labels[indices])

    def class_counts(self, classes: int) -> np.ndarray:
        """How many texts bear each label: int64 (classes,); zeros for unlabelled texts."""
        if self.labels.ndim == 2:
            return self.labels.sum(axis=0).astype(np.int64)
        return np.bincount(self.labels[self.labels >= 0], minlength=classes)


@dataclass(frozen=True, eq=False, repr=False)
class TextData:
    """A data set of texts with its splits.

    Args:
        name: what it is called: `"imdb"`, a file's stem.
        class_names: the classes in the order of the label indices.
        multi_label: whether a text may have any number of labels.
        examples: the splits: `"train"`, and where there are such `"validation"`, `"test"`, `"unlabelled"`.
        skipped: one line for each row or file that was left out, such as `"reviews.csv row 7: empty text"`.
        preparation: how texts become batches; `prepare` changes it.
    """

    name: str
    class_names: tuple[str, ...]
    multi_label: bool
    examples: dict[str, TextExamples]
    skipped: tuple[str, ...] = ()
    preparation: Preparation = Preparation()

    def prepare(self, **changes: Any) -> "TextData":
        """The same texts with other settings of `Preparation`: `data.prepare(vocabulary_size=20000, length=400)`."""
        return replace(self, preparation=replace(self.preparation, **changes))

    @property
    def outputs(self) -> int:
        """Logits that a model of these texts needs: one for two classes, otherwise one for each class."""
        return 1 if len(self.class_names) == 2 and not self.multi_label else len(self.class_names)

    @property
    def preprocess(self) -> "TextPreprocess":
        """What turns raw strings into ids; its vocabulary is built from the training split when first asked for."""
        return self._encoded[0]

    @cached_property
    def train(self) -> "tf.data.Dataset":
        """Training batches (ids, labels), in a new order each epoch."""
        return self.batches("train", training=True)

    @cached_property
    def validation(self) -> "tf.data.Dataset":
        """Validation batches (ids, labels), in order."""
        return self.batches("validation")

    @cached_property
    def test(self) -> "tf.data.Dataset":
        """Test batches (ids, labels), in order."""
        return self.batches("test")

    def batches(self, split: str, *, training: bool = False) -> "tf.data.Dataset":
        """Batches of a split: reshuffled each epoch for training, in order otherwise.

        Raises:
            InputError: there is no such split.
        """
        if split not in self.examples:
            hint = f"; ask for one when reading it ({split}=0.1)" if split in ("test", "validation") else ""
            raise InputError(f"{self.name} has no split {split!r}: it has {', '.join(self.examples)}{hint}")
        return self.preparation.batches(self._encoded[1][split], self.examples[split].labels, training=training)

    @cached_property
    def _encoded(self) -> tuple["TextPreprocess", dict[str, "tf.RaggedTensor"]]:
        return self.preparation.encode(self.examples, self.class_names, self.multi_label)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split}: {len(part):,}" for split, part in self.examples.items())
        return f"TextData({self.name!r}, {len(self.class_names)} classes, {sizes}, {len(self.skipped)} skipped)"

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """A small table: texts by class and split, then how many rows were skipped and the first of them."""
        splits = list(self.examples)
        counts = [part.class_counts(len(self.class_names)) for part in self.examples.values()]
        lines = [["class", *splits]]
        for index, name in enumerate(self.class_names[:_CLASSES_SHOWN]):
            lines.append([name, *(f"{count[index]:,}" for count in counts)])
        hidden = len(self.class_names) - _CLASSES_SHOWN
        if hidden > 0:
            rest = [f"{count[_CLASSES_SHOWN:].sum():,}" for count in counts]
            lines.append([f"({hidden} more classes)", *rest])
        lines.append(["all texts", *(f"{len(part):,}" for part in self.examples.values())])
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        table = []
        for line in lines:
            numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
            table.append("  ".join([line[0].ljust(widths[0]), *numbers]))
        kind = "labels, any number a text" if self.multi_label else "classes"
        total = sum(len(part) for part in self.examples.values())
        head = f"{self.name}: {total:,} texts, {len(self.class_names)} {kind}, {len(self.skipped):,} skipped"
        notes = [f"skipped {line}" for line in self.skipped[:_SKIPPED_SHOWN]]
        if len(self.skipped) > _SKIPPED_SHOWN:
            notes.append(f"and {len(self.skipped) - _SKIPPED_SHOWN:,} more, listed in .skipped")
        return "\n".join([head, *table, *notes])
