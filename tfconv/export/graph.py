"""The graph that is served: string tensors to probabilities, label and score, with every table and weight tracked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfconv.data.text import TextPreprocess, Vocabulary
from tfconv.evaluation.prediction import padded_width, probability_graph

__all__ = ["ServedTextClassifier", "file_backed"]

LABELS_FILE = "labels.txt"
VOCABULARY_FILE = "vocabulary.txt"
FEATURE = "text"


class ServedTextClassifier(tf.Module):
    """What is saved. Its signatures:

    - `serving_default(text: string (n,)) -> {"probabilities": float32 (n, C), "label": string (n,),
      "score": float32 (n,)}`
    - `classify(inputs: string (n,), serialised tf.train.Example with a bytes feature "text") ->
      {"classes": string (n, C), "scores": float32 (n, C)}`, for the classify calls of TensorFlow Serving.

    Args:
        model: ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: strings (n,) to ids, as a `tf.Module`, so that its tables are tracked.
        class_names: C names.
        multi_label: each class is a yes or no of its own.
        separator: between the labels of one text.
        assets: folder that holds `labels.txt` until the module is saved.
    """  # noqa: D415

    def __init__(
        self,
        model: Any,
        preprocess: Any,
        class_names: Sequence[str],
        *,
        multi_label: bool,
        separator: str,
        assets: Path,
    ):
        super().__init__(name="served_text_classifier")
        width = padded_width(model, preprocess)
        self.preprocess = preprocess
        # A session (TensorFlow Serving) restores variables by this module's own edges; Keras' wrappers are none.
        self.weights = [variable.value for variable in model.variables]
        self.labels_file = tf.saved_model.Asset(str(assets / LABELS_FILE))
        # A function of its own: the signatures share one trace, which halves the graph.
        self._probabilities = tf.function(
            probability_graph(model, preprocess, multi_label=multi_label, width=width),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        self._names = np.array([name.encode() for name in class_names], dtype=object)
        self._multi_label = multi_label
        self._separator = separator

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
        probabilities = self._probabilities(tf.reshape(text, [-1]))
        names = tf.constant(self._names, tf.string)
        if self._multi_label:
            rows = tf.broadcast_to(names, tf.shape(probabilities))
            chosen = tf.ragged.boolean_mask(rows, probabilities > 0.5)
            label = tf.strings.reduce_join(chosen, axis=1, separator=self._separator)
        else:
            label = tf.gather(names, tf.argmax(probabilities, axis=1))
        return {"probabilities": probabilities, "label": label, "score": tf.reduce_max(probabilities, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer `tf.train.Example`s with all classes and their probabilities, in the order of the classes."""
        texts = tf.io.parse_example(inputs, {FEATURE: tf.io.FixedLenFeature([], tf.string)})[FEATURE]
        probabilities = self._probabilities(texts)
        classes = tf.broadcast_to(tf.constant(self._names, tf.string), tf.shape(probabilities))
        return {"classes": tf.ensure_shape(classes, [None, len(self._names)]), "scores": probabilities}


class _FileVocabulary(Vocabulary):
    """A `Vocabulary` whose table is read from an asset file, one token a line, and not from constants in the graph."""

    def __init__(self, vocabulary: Vocabulary, path: Path):
        tf.Module.__init__(self, name="vocabulary")
        self.tokens = vocabulary.tokens
        self._first = 3
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
    if type(preprocess) is not TextPreprocess or any({"\n", "\r"} & set(t) for t in preprocess.vocabulary.tokens):
        return preprocess
    vocabulary = _FileVocabulary(preprocess.vocabulary, assets / VOCABULARY_FILE)
    return TextPreprocess(
        preprocess.tokenizer,
        vocabulary,
        preprocess.length,
        start=preprocess.start,
        class_names=preprocess.class_names,
        multi_label=preprocess.multi_label,
    )
