"""The graph that answers raw texts: string tensors to probabilities, label and score, with every table tracked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.data.text.preprocess import TextPreprocess
from tfconv.data.text.special_tokens import SPECIAL
from tfconv.data.text.vocabulary import Vocabulary
from tfconv.errors import InputError
from tfconv.evaluation.probability import padded_width, probability_graph
from tfconv.export.graph import ServedClassifier, Serving, bytes_feature
from tfconv.tasks import Task

__all__ = ["ServedTextClassifier", "file_backed", "network_inputs", "text_logits", "text_samples", "text_serving"]


VOCABULARY_FILE = "vocabulary.txt"
FEATURE = "text"


def text_serving(model: Any, preprocess: Any, samples: Sequence[str]) -> Serving:
    """Say what an export of a text classifier writes, and what it is compared on.

    Raises:
        InputError: the model's answer to a text is not finite.
    """

    def module(names: Sequence[str], task: Task, separator: str, assets: Path) -> ServedTextClassifier:
        backed = file_backed(preprocess, assets)
        return ServedTextClassifier(model, backed, names, task=task, separator=separator, assets=assets)

    texts = text_samples(preprocess, samples)
    instances = list(samples)[:2] or list(TEXT_EXAMPLES)
    logits = text_logits(model, preprocess, texts)
    return Serving(module, FEATURE, texts, logits, instances, network_inputs(model))


def network_inputs(model: Any) -> list[npt.NDArray[np.int32]]:
    """Ids of a text that fills two thirds of the width; of two widths, where the model takes any."""
    found = []
    for width in (12, 30) if model.input_shape[1] is None else (model.input_shape[1],):
        length = 2 * width // 3
        found.append(np.pad(1 + np.arange(length, dtype=np.int32) % len(SPECIAL), (0, width - length))[None])
    return found


class ServedTextClassifier(ServedClassifier):
    """What is saved of a text classifier. Its signatures:

    - `serving_default(text: string (n,)) -> {"probabilities": float32 (n, C), "label": string (n,),
      "score": float32 (n,)}`
    - `classify(inputs: string (n,), serialised tf.train.Example with a bytes feature "text") ->
      {"classes": string (n, C), "scores": float32 (n, C)}`, for the classify calls of TensorFlow Serving.

    Args:
        model: ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: strings (n,) to ids, as a `tf.Module`.
        class_names: C names.
        **others: as in `ServedClassifier`.
    """  # noqa: D415

    def __init__(self, model: Any, preprocess: Any, class_names: Sequence[str], **others: Any):
        super().__init__(model, preprocess, class_names, **others)
        width = padded_width(model, preprocess)
        # A function of its own: the signatures share one trace, which halves the graph.
        self._probabilities = tf.function(
            probability_graph(model, preprocess, task=self._task, width=width),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )

    def signatures(self) -> dict[str, Any]:
        """Trace the signatures."""
        return {
            "serving_default": self.serving_default.get_concrete_function(),
            "classify": self.classify.get_concrete_function(),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=FEATURE)])
    def serving_default(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer raw texts."""
        # The server feeds any shape: a single string, or one string a row, is meant as texts too.
        return self._answers(self._probabilities(tf.reshape(text, [-1])))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer `tf.train.Example`s with all classes and their probabilities, in the order of the classes."""
        return self._classified(self._probabilities(bytes_feature(inputs, FEATURE)))


class _FileVocabulary(Vocabulary):
    """A `Vocabulary` whose table is read from an asset file, one token a line, and not from constants in the graph."""

    def __init__(self, vocabulary: Vocabulary, path: Path):
        tf.Module.__init__(self, name="vocabulary")
        self.tokens = vocabulary.tokens
        self._first = len(SPECIAL)
        path.write_bytes(b"".join(token.encode() + b"\n" for token in self.tokens[self._first :]))
        rows = tf.lookup.TextFileInitializer(
            str(path),
            key_dtype=tf.string,
            key_index=tf.lookup.TextFileIndex.WHOLE_LINE,
            value_dtype=tf.int64,
            value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        # -1 + 3 is the id of unknown tokens.
        self.table = tf.lookup.StaticHashTable(rows, default_value=2 - self._first)

    def lookup(self, tokens: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
        """Tokens (string, dense or ragged) to int32 ids of the same shape."""
        return tf.cast(self.table.lookup(tokens), tf.int32) + self._first


def file_backed(preprocess: Any, assets: Path) -> Any:
    """Return an equal preprocessing whose vocabulary is the file `assets/vocabulary.txt`, where that can be.

    A vocabulary with line breaks among its tokens (characters) stays as it is, and so does a preprocessing of another
    class.
    """
    if type(preprocess) is not TextPreprocess or preprocess.vocabulary is None:
        return preprocess
    if any({"\n", "\r"} & set(token) for token in preprocess.vocabulary.tokens):
        return preprocess
    vocabulary = _FileVocabulary(preprocess.vocabulary, assets / VOCABULARY_FILE)
    return TextPreprocess(
        preprocess.tokenizer,
        vocabulary,
        preprocess.length,
        start=preprocess.start,
        class_names=preprocess.class_names,
        task=preprocess.task,
        ngrams=preprocess.ngrams,
    )


TEXT_EXAMPLES = ("I really liked the movie!", "Hated every second of it...")
_SAMPLES = (
    *(text.encode() for text in TEXT_EXAMPLES),
    b"",
    b" \t\r\n",
    b"word " * 5000,
    "Ça c'est «déjà vu»: ταινία, фильм, 映画, फिल्म, فيلم".encode(),
    "🙂🎬👍🏽 :-) <3 ?!... don't <br /><br />can't".encode(),
    b"broken \xff\xfe UTF-8 \xc3( and a NUL \x00 inside",
    b"x" * 20_000,
)


def text_samples(preprocess: Any, more: Sequence[str]) -> list[bytes]:
    """Texts that break models, `more`, and the first and last words of the vocabulary, to find out a shifted table."""
    tokens = list(getattr(getattr(preprocess, "vocabulary", None), "tokens", ()))[len(SPECIAL) :]
    words = tokens[:100] + tokens[100:][-100:]
    of_words = [" ".join(words[start : start + 20]).encode() for start in range(0, len(words), 20)]
    return [*_SAMPLES, *(text.encode("utf-8", "surrogateescape") for text in more), *of_words]


def text_logits(model: Any, preprocess: Any, samples: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Ask the model itself about one text at a time: float32 (n, outputs).

    Raises:
        InputError: an answer is not finite.
    """
    least, exact = padded_width(model, preprocess)
    rows = []
    for text in samples:
        ids = preprocess(tf.constant([text])).numpy()
        ids = np.pad(ids, [(0, 0), (0, max(least - ids.shape[1], 0))])[:, : least if exact else None]
        logits = np.asarray(model(ids, training=False), np.float32)
        if not np.isfinite(logits).all():
            raise InputError(
                f"the model's answer to the text {text[:40]!r} is not finite: a server would meet it too"
                + ("" if ids.any() else " (a mean over no token at all? let each text begin with a start mark)")
            )
        rows.append(logits)
    return np.concatenate(rows)
