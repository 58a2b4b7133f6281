"""Labelled texts in memory: one split (`TextExamples`) and a whole data set (`TextData`)."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tfconv.data.labelled import LabelledData, class_counts
from tfconv.data.preparation import Preparation

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.text import TextPreprocess

__all__ = ["TextData", "TextExamples"]


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

    def join(self, other: "TextExamples") -> "TextExamples":
        """These examples, then the others."""
        return TextExamples([*self.texts, *other.texts], np.concatenate([self.labels, other.labels]))

    def class_counts(self, classes: int) -> np.ndarray:
        """How many texts bear each label: int64 (classes,); zeros for unlabelled texts."""
        return class_counts(self.labels, classes)


@dataclass(frozen=True, eq=False, repr=False)
class TextData(LabelledData):
    """A data set of texts with its splits.

    Args:
        name: what it is called: `"imdb"`, a file's stem.
        class_names: the classes in the order of the label indices.
        multi_label: whether a text may have any number of labels.
        examples: the splits: `"train"`, and where there are such `"validation"`, `"test"`, `"unlabelled"`.
        skipped: one line for each row or file that was left out, such as `"reviews.csv row 7: empty text"`.
        preparation: how texts become batches; `prepare` changes it.
    """

    unit: ClassVar[str] = "text"

    examples: dict[str, TextExamples]
    preparation: Preparation = Preparation()

    @property
    def preprocess(self) -> "TextPreprocess":
        """What turns raw strings into ids; its vocabulary is built from the training split when first asked for."""
        return self._encoded[0]

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        return self.preparation.batches(self._encoded[1][split], self.examples[split].labels, training=training)

    @cached_property
    def _encoded(self) -> tuple["TextPreprocess", dict[str, "tf.RaggedTensor"]]:
        return self.preparation.encode(self.examples, self.class_names, self.multi_label)
