"""Split texts into words or characters, as TensorFlow operations."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ["TokenChunk", "Tokenizer", "mapped_chunks", "token_chunks"]

_CHUNK_CHARACTERS = 1 << 20
# "<br />", not the "<" of "a < b" nor of "<3"; blanks and control characters of every script.
_BLANK = r"</?[a-zA-Z][^<>]*>|[\pZ\pC]+"
_NO_WORD = r"[^\pL\pM\pN']+"
# Leftmost alternative first: an emoticon, a run of dots, a run of ! and ?, or any other single character.
_PUNCTUATION = r"[:;=][-^']?(?:[()\[\]/\\|*]|[dpo]\b)|<3|\.\.+|[!?]+|[^\pL\pM\pN'\s]"


class TokenChunk(NamedTuple):
    """Some hundred tokenised texts: text i is `unique[places[sum(lengths[:i]):][:lengths[i]]]`."""

    unique: np.ndarray  # bytes, the different tokens
    occurrences: np.ndarray  # how often each occurs
    places: np.ndarray  # int32, for every token of every text its place in `unique`
    lengths: np.ndarray  # int64, tokens of each text


def token_chunks(texts: Iterable[str], tokenizer: "Tokenizer", *, size: int = 512) -> Iterator[TokenChunk]:
    """Tokenise on all cores, `size` texts at a time (fewer of long ones); memory does not grow with their number."""

    def tokenise(part: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tokens = tokenizer(part)
        unique, places, counts = tf.unique_with_counts(tokens.flat_values)
        return unique, counts, places, tokens.row_lengths()

    for arrays in mapped_chunks(texts, tokenise, size=size):
        yield TokenChunk(*arrays)


def mapped_chunks(
    texts: Iterable[str], function: Callable[[tf.Tensor], tuple[tf.Tensor, ...]], *, size: int
) -> Iterator[tuple[Any, ...]]:
    """Apply a graph's function to texts on all cores, and give its results as arrays, in order.

    Args:
        texts: any number of texts; memory does not grow with it.
        function: from strings (n,) to tensors.
        size: texts at a time; fewer of long ones.
    """
    failed: list[Exception] = []

    def lists() -> Iterator[list[str]]:
        part, characters = list[str](), 0
        try:
            for text in texts:
                part.append(text)
                characters += len(text)
                if len(part) == size or characters >= _CHUNK_CHARACTERS:
                    yield part
                    part, characters = [], 0
        except Exception as error:  # of who gives the texts: TensorFlow would make twenty lines of it
            failed.append(error)
            return
        if part:
            yield part

    dataset = tf.data.Dataset.from_generator(lists, output_signature=tf.TensorSpec([None], tf.string))
    dataset = dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    yield from dataset.as_numpy_iterator()
    if failed:
        raise failed[0]


class Tokenizer:
    r"""Split text into words or characters.

    Words are letters, combining marks, digits and inner apostrophes ("don't"), in lower case; HTML tags are dropped.
    With `punctuation` emoticons (`:-)`, `<3`) and runs (`...`, `?!`) are tokens too, and so is every other character.
    Characters are code points, blanks included. Bytes that are no UTF-8 become U+FFFD.

    Args:
        level: `"word"` or `"char"`.
        punctuation: keep punctuation and emoticons; words only.
        lowercase: fold upper case.

    Raises:
        ValueError: another `level`, or `punctuation` with characters (they keep it always).
    """

    def __init__(self, level: Literal["word", "char"] = "word", *, punctuation: bool = False, lowercase: bool = True):
        if level not in ("word", "char"):
            raise ValueError(f"level must be 'word' or 'char', got {level!r}")
        if level == "char" and punctuation:
            raise ValueError("punctuation=True is for level='word': characters keep all punctuation")
        self.level: Literal["word", "char"] = level
        self.punctuation = punctuation
        self.lowercase = lowercase

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Strings of shape (n,) to ragged tokens of shape (n, None)."""
        texts = tf.convert_to_tensor(texts, tf.string)
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        else:
            texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        if self.level == "char":
            return tf.strings.unicode_split(texts, "UTF-8")
        texts = tf.strings.regex_replace(texts, _BLANK, " ")
        texts = tf.strings.regex_replace(texts, "[‘’]", "'")
        if self.punctuation:
            texts = tf.strings.regex_replace(texts, _PUNCTUATION, r" \0 ")
        else:
            texts = tf.strings.regex_replace(texts, _NO_WORD, " ")
        # Apostrophes at the edge of a word are quotation marks.
        texts = tf.strings.regex_replace(texts, r"(?:^|\s)'+|'+(?:\s+'*|$)", " ")
        return tf.strings.split(texts)

    def config(self) -> dict[str, Any]:
        """The arguments that make an equal tokenizer."""
        return {"level": self.level, "punctuation": self.punctuation, "lowercase": self.lowercase}
