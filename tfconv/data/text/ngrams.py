"""Word and character n-grams of raw texts, hashed, as TensorFlow operations."""

from typing import Any

import tensorflow as tf

from tfconv.data.text.tokenizer import Tokenizer
from tfconv.errors import check_whole

__all__ = ["NGrams"]

_PRIME = 0x100000001B3  # of the 64-bit FNV hash; n-grams fold their parts' hashes with it, modulo 2**64
_STRING_BUCKETS = 2**62  # a word's hash is farmhash's Fingerprint64 modulo this
_START = 0  # in place of a hash; no character either but NUL
_CHARACTERS = 0x5BD1E995  # added to the lengths of character n-grams, which are none of words


class NGrams(tf.Module):
    """Find the distinct n-grams of each text, as ids from 1 to `buckets` - 1.

    An n-gram's id is a hash of its words or characters, so no vocabulary is counted or kept, and memory is bounded;
    two n-grams share an id with probability 1 / (`buckets` - 1). Words are those of a `Tokenizer` with punctuation.
    With word n-grams of two and more the start of a text counts as a word, so "what" at the beginning is a bigram.
    Character n-grams lie inside one word with a blank at each end, so that beginnings and endings of words differ from
    their middles; the start of a text has none.

    Args:
        words: shortest and longest word n-gram, such as (1, 3); `None`: none.
        characters: shortest and longest character n-gram, such as (2, 5); `None`: none.
        buckets: number of ids, that of padding (0) included.

    Raises:
        ValueError: no n-grams at all, lengths that are not 1 <= shortest <= longest, or fewer than 2 buckets.
    """

    def __init__(
        self,
        words: tuple[int, int] | None = (1, 3),
        characters: tuple[int, int] | None = (2, 5),
        *,
        buckets: int = 2**20,
    ) -> None:
        super().__init__(name="ngrams")
        if words is None and characters is None:
            raise ValueError("words and characters are both None: give the lengths of one of them")
        for name, lengths in (("words", words), ("characters", characters)):
            if lengths is not None and not (len(lengths) == 2 and 1 <= lengths[0] <= lengths[1]):
                raise ValueError(f"{name} must be two lengths, 1 <= shortest <= longest, got {lengths}")
        check_whole("buckets", buckets, least=2)
        self.words = words
        self.characters = characters
        self.buckets = buckets
        self._tokenizer = Tokenizer("word", punctuation=True)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Strings of shape (n,) to ragged int32 ids of shape (n, None), ascending and distinct in each row."""
        tokens = self._tokenizer(texts)
        n, found = tokens.nrows(), list[tf.Tensor]()
        if self.words is not None:
            hashes = tf.strings.to_hash_bucket_fast(tokens, _STRING_BUCKETS)
            if self.words[1] > 1:
                hashes = tf.concat([tf.fill([n, 1], tf.constant(_START, tf.int64)), hashes], axis=1)
            rows, ids = self._folded(hashes, self.words, 0)
            found.append(rows * self.buckets + ids)
        if self.characters is not None:
            # Of each different word once: texts repeat words.
            unique, place = tf.unique(tokens.flat_values)
            points = tf.strings.unicode_decode(tf.strings.join([" ", unique, " "]), "UTF-8")
            rows, ids = self._folded(tf.cast(points, tf.int64), self.characters, _CHARACTERS)
            of_word = tf.RaggedTensor.from_value_rowids(*_by_row(rows, ids), nrows=tf.size(unique, tf.int64))
            gathered = tf.gather(of_word, place)
            rows = tf.repeat(tokens.value_rowids(), gathered.row_lengths())
            found.append(rows * self.buckets + gathered.flat_values)
        keys = tf.sort(tf.concat(found, axis=0))
        keys = tf.boolean_mask(keys, tf.not_equal(keys, tf.concat([[-1], keys[:-1]], axis=0)[: tf.size(keys)]))
        ids = tf.cast(keys % self.buckets, tf.int32)
        return tf.RaggedTensor.from_value_rowids(ids, keys // self.buckets, nrows=n)

    def _bucket(self, hashes: tf.Tensor) -> tf.Tensor:
        """Ids from 1 to `buckets` - 1; the high bits, which depend on all parts, are mixed into the low ones."""
        hashes = tf.bitwise.bitwise_xor(hashes, tf.bitwise.right_shift(hashes, tf.constant(29, tf.int64)))
        return 1 + tf.math.floormod(hashes, self.buckets - 1)

    def _folded(self, parts: tf.RaggedTensor, lengths: tuple[int, int], salt: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows and ids of all runs of the given lengths inside each row of `parts`, int64."""
        values, rows = parts.flat_values, parts.value_rowids()
        all_rows, all_ids = list[tf.Tensor](), list[tf.Tensor]()
        for length in range(lengths[0], lengths[1] + 1):
            runs = tf.maximum(tf.size(values) - length + 1, 0)
            folded = tf.fill([runs], tf.constant(length + salt, tf.int64))
            for offset in range(length):
                folded = folded * _PRIME + values[offset : offset + runs]
            inside = tf.equal(rows[:runs], rows[length - 1 : length - 1 + runs])
            if length == 1:  # the start of a text alone tells nothing
                inside = tf.logical_and(inside, tf.not_equal(values, _START))
            all_rows.append(tf.boolean_mask(rows[:runs], inside))
            all_ids.append(self._bucket(tf.boolean_mask(folded, inside)))
        return tf.concat(all_rows, 0), tf.concat(all_ids, 0)

    def config(self) -> dict[str, Any]:
        """The arguments that make equal n-grams."""
        return {"words": self.words, "characters": self.characters, "buckets": self.buckets}


def _by_row(rows: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Ids and their rows, in the order of the rows."""
    order = tf.argsort(rows, stable=True)
    return tf.gather(ids, order), tf.gather(rows, order)
