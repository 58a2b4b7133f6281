"""Labelled texts in memory: one split (`TextExamples`) and a whole data set (`TextData`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tfconv.data.dataset import LabelledData, class_counts
from tfconv.data.text.special_tokens import SPECIAL
from tfconv.errors import InputError, check_whole
from tfconv.tasks import Task

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.text.ngrams import NGrams
    from tfconv.data.text.preprocess import TextPreprocess

__all__ = ["Preparation", "TextData", "TextExamples"]


@dataclass(frozen=True)
class Preparation:
    """How texts become batches; the defaults are those of `tfconv.models.text_cnn_imdb`.

    Args:
        vocabulary_size: ids in all, those of the special tokens included; `None`: every token of the training split.
        length: ids of the longest text, start token included; the end of a longer text is cut off. `None`: no limit.
        level: `"word"` or `"char"`.
        punctuation: keep punctuation and emoticons as tokens (words only).
        lowercase: fold upper case.
        start: begin each text with the start id.
        min_count: rarer tokens are left out of the vocabulary.
        batch_size: texts a batch.
        bucket: training batches of texts of like length, so that little is padded.
        pad_to_length: make every batch `length` wide, as the exported graph does for a model that reads padding;
            `False`: as wide as its longest text. Default: true, unless `bucket` is or there is no `length`.
        balanced: draw every class equally often in training: rare classes are repeated, of frequent ones each epoch
            shows a part; an epoch stays as long. `class_weight` of `tfconv.training.fit` has the same goal and shows
            every text once an epoch: no text is left out, but the loss of a rare class then comes in few, large steps.
        drop_remainder: leave out the last, smaller training batch (replicas need equal ones).
        seed: of the order of training batches, together with the epoch; from 0 to 2**32 - 1.
        ngrams: n-grams that are given besides the tokens, or in their place; those of the training split are listed.
        ngram_min_count: n-grams of fewer training texts have no id.
        most_ngrams: how many n-grams have an id at most, the most frequent ones.
        tokens: give tokens; `False`: n-grams alone, and no vocabulary is built.
        preprocess: of an earlier run, to go on from its model: tokeniser, vocabulary, length and start token are its
            own, and the settings of these above are not looked at.

    Raises:
        InputError: a number is out of range (they end at 2**31 - 1) or none, or `pad_to_length` lacks a `length`.
    """

    vocabulary_size: int | None = 5000
    length: int | None = 200
    level: Literal["word", "char"] = "word"
    punctuation: bool = False
    lowercase: bool = True
    start: bool = True
    min_count: int = 1
    batch_size: int = 64
    bucket: bool = False
    pad_to_length: bool | None = None
    balanced: bool = False
    drop_remainder: bool = False
    seed: int = 0
    ngrams: "NGrams | None" = None
    ngram_min_count: int = 1
    most_ngrams: int | None = None
    tokens: bool = True
    preprocess: "TextPreprocess | None" = None

    def __post_init__(self) -> None:
        if self.preprocess is not None:
            object.__setattr__(self, "length", self.preprocess.length)  # batches are padded to it
        check_whole("vocabulary_size", self.vocabulary_size, len(SPECIAL) + 1, optional=True)
        check_whole("length", self.length, optional=True)
        check_whole("min_count", self.min_count)
        check_whole("ngram_min_count", self.ngram_min_count)
        if not self.tokens and self.ngrams is None and self.preprocess is None:
            raise InputError("tokens=False needs ngrams: a text would have no ids")
        check_whole("batch_size", self.batch_size)
        check_whole("seed", self.seed, 0, 32)
        if self.pad_to_length and self.length is None:
            raise InputError("pad_to_length=True needs a length, got length=None")

    @property
    def padded_width(self) -> int | None:
        """Width of every batch; None: that of its longest text."""
        if self.ngrams is not None or (self.preprocess is not None and self.preprocess.ngrams is not None):
            return None  # which are as many as the text has
        whole = not self.bucket if self.pad_to_length is None else self.pad_to_length
        return self.length if whole else None

    def earlier(self, class_names: Sequence[str], task: Task) -> "TextPreprocess | None":
        """The preprocessing of the earlier run for these classes; None where there is no earlier run."""
        from tfconv.data.text.preprocess import TextPreprocess

        known = self.preprocess
        if known is None:
            return None
        return TextPreprocess(
            known.tokenizer,
            known.vocabulary,
            known.length,
            start=known.start,
            class_names=class_names,
            task=task,
            ngrams=known.ngrams,
        )

    def encode(
        self, splits: dict[str, "TextExamples"], class_names: Sequence[str], task: Task
    ) -> tuple["TextPreprocess", dict[str, "tf.RaggedTensor"]]:
        """Build the vocabulary from `splits["train"]`, unless `preprocess` has one, and encode every split.

        Raises:
            InputError: there is no training split to build it from.
        """
        import tensorflow as tf

        from tfconv.data.text.preprocess import TextPreprocess
        from tfconv.data.text.tokenizer import Tokenizer, token_chunks
        from tfconv.data.text.vocabulary import build_vocabulary

        preprocess = self.earlier(class_names, task)
        if preprocess is not None:
            return preprocess, {name: preprocess.encode(part.texts) for name, part in splits.items()}
        if "train" not in splits:
            raise InputError(f"the vocabulary is built from the split 'train', and there is only {sorted(splits)}")
        tokenizer = Tokenizer(self.level, punctuation=self.punctuation, lowercase=self.lowercase)
        chunks, vocabulary, ngrams, listed = list[Any](), None, self.ngrams, None
        if self.tokens:
            chunks = list(token_chunks(splits["train"].texts, tokenizer))  # so that they are tokenised only once
            vocabulary = build_vocabulary(chunks, self.vocabulary_size, min_count=self.min_count)
        if ngrams is not None:
            hashed = ngrams.encode(splits["train"].texts)
            ngrams = ngrams.listing(hashed.flat_values.numpy(), min_count=self.ngram_min_count, most=self.most_ngrams)
            listed = ngrams.relisted(hashed)
        preprocess = TextPreprocess(
            tokenizer, vocabulary, self.length, start=self.start, class_names=class_names, task=task, ngrams=ngrams
        )
        found = [preprocess.encode_chunks(chunks)] if self.tokens else []
        if listed is not None:
            found.append(listed + (preprocess.first_ngram - 1))
        encoded = {"train": tf.concat(found, axis=1) if len(found) > 1 else found[0]}
        return preprocess, encoded | {
            name: preprocess.encode(part.texts) for name, part in splits.items() if name != "train"
        }

    def batches(self, ids: "tf.RaggedTensor", labels: Any, *, training: bool) -> "tf.data.Dataset":
        """Batches (ids, labels): reshuffled each epoch for training, in the given order otherwise."""
        from tfconv.data import batching as pipeline

        return pipeline.batches(
            ids,
            labels,
            batch_size=self.batch_size,
            seed=self.seed if training else None,
            bucket=self.bucket and training,
            pad_to=self.padded_width,
            balanced=self.balanced and training,
            drop_remainder=self.drop_remainder and training,
        )


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

    def contents(self) -> Iterator[bytes]:
        """Each text as bytes, by which equal ones are told."""
        return (text.encode("utf-8", "surrogatepass") for text in self.texts)

    def excerpt(self, number: int) -> str:
        """The beginning of a text, in quotes, for messages."""
        words = " ".join(self.take(np.array([number])).texts[0].split())
        return f'"{words}"' if len(words) <= 30 else f'"{words[:30]}..."'

    def class_counts(self, classes: int) -> np.ndarray:
        """How many texts bear each label: int64 (classes,); zeros for unlabelled texts."""
        return class_counts(self.labels, classes)


@dataclass(frozen=True, eq=False, repr=False)
class TextData(LabelledData):
    """A data set of texts with its splits.

    Args:
        name: what it is called: `"imdb"`, a file's stem.
        class_names: the classes in the order of the label indices.
        examples: the splits: `"train"`, and where there are such `"validation"`, `"test"`, `"unlabelled"`.
        skipped: one line for each row or file that was left out, such as `"reviews.csv row 7: empty text"`.
        preparation: how texts become batches; `prepare` changes it.
        task: one class a text (default), or any number of labels.
    """

    unit: ClassVar[str] = "text"

    examples: dict[str, TextExamples]
    preparation: Preparation = Preparation()

    @property
    def preprocess(self) -> "TextPreprocess":
        """The preprocessing from strings to ids; its vocabulary is built from the training split on first use."""
        return self._encoded[0]

    def ids(self, split: str) -> "tf.RaggedTensor":
        """The ids of a split's texts: ragged int32 (n, None)."""
        return self._encoded[1][split]

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        return self.preparation.batches(self._encoded[1][split], self.examples[split].labels, training=training)

    @cached_property
    def _encoded(self) -> tuple["TextPreprocess", dict[str, "tf.RaggedTensor"]]:
        return self.preparation.encode(self.examples, self.class_names, self.task)
