"""Word and character n-grams of raw texts, hashed or listed, as TensorFlow operations."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.data.text.tokenizer import Tokenizer, mapped_chunks
from tfconv.errors import check_whole

__all__ = ["NGrams"]

_PRIME = 0x100000001B3  # of the 64-bit FNV hash; n-grams fold their parts' hashes with it, modulo 2**64
_STRING_BUCKETS = 2**62  # a word's hash is farmhash's Fingerprint64 modulo this
_CHUNK_TEXTS = 512
_START = 0  # in place of a hash; no character either but NUL
_CHARACTERS = 0x5BD1E995  # added to the lengths of character n-grams, which are none of words


class NGrams(tf.Module):
    """Find the distinct n-grams of each text, as ids from 1 on, ascending.

    An n-gram's hash is made of its words or characters, so no table of strings is kept, and memory is bounded; two
    n-grams share a hash with probability 1 / `buckets`. Hashed, the ids go from 1 to `buckets` - 1. Listed (`listing`),
    only n-grams of the texts trained on have ids, from 1 to their number, and others are left out.

    Words are those of a `Tokenizer` with punctuation. With word n-grams of two and more the start of a text counts as
    a word, so "what" at the beginning is a bigram. Character n-grams lie inside one word with a blank at each end, so
    that beginnings and endings of words differ from their middles; the start of a text has none. Where there are both,
    word n-grams have the lower half of the hashes.

    Args:
        words: shortest and longest word n-gram, such as (1, 3); `None`: none.
        characters: shortest and longest character n-gram, such as (2, 5); `None`: none.
        buckets: number of hashes, 0 (no n-gram) included, up to 2**31 - 1.
        listed: ascending hashes of the n-grams that have ids; `None`: all have their hash.

    Raises:
        ValueError: no n-grams at all, lengths that are not 1 <= shortest <= longest, fewer than 4 buckets, or `listed`
            does not ascend from 1 to below `buckets`.
    """

    def __init__(
        self,
        words: Sequence[int] | None = (1, 3),
        characters: Sequence[int] | None = (2, 5),
        *,
        buckets: int = 2**20,
        listed: npt.ArrayLike | None = None,
    ) -> None:
        super().__init__(name="ngrams")
        if words is None and characters is None:
            raise ValueError("words and characters are both None: give the lengths of one of them")
        for name, lengths in (("words", words), ("characters", characters)):
            if lengths is not None and not (len(lengths) == 2 and 1 <= lengths[0] <= lengths[1]):
                raise ValueError(f"{name} must be two lengths, 1 <= shortest <= longest, got {lengths}")
        check_whole("buckets", buckets, least=4)
        self.words = None if words is None else (int(words[0]), int(words[1]))
        self.characters = None if characters is None else (int(characters[0]), int(characters[1]))
        self.buckets = buckets
        self.listed = None if listed is None else np.asarray(listed, np.int32)
        if self.listed is not None and (
            self.listed.ndim != 1 or np.any(np.diff(self.listed, prepend=0, append=buckets) < 1)
        ):
            raise ValueError("listed must ascend from 1 to below buckets")
        if self.listed is not None:  # a variable, which an export writes beside its graph
            self._table = tf.Variable(np.append(self.listed, buckets), trainable=False, dtype=tf.int32, name="listed")
        self._tokenizer = Tokenizer("word", punctuation=True)

    @property
    def size(self) -> int:
        """Number of ids, that of padding (0) included."""
        return self.buckets if self.listed is None else len(self.listed) + 1

    @property
    def word_ids(self) -> int:
        """Word n-grams have the ids below this one, character n-grams the others."""
        first = self._ranges[1][0]
        return first if self.listed is None else 1 + int(np.searchsorted(self.listed, first))

    @property
    def _ranges(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """First hash and number of hashes of word n-grams, and of character n-grams."""
        first = self.buckets if self.characters is None else 1 if self.words is None else self.buckets // 2
        return (1, first - 1), (first, self.buckets - first)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Strings of shape (n,) to ragged int32 ids of shape (n, None), ascending and distinct in each row."""
        tokens = self._tokenizer(texts)
        n, found = tokens.nrows(), list[tf.Tensor]()
        if self.words is not None:
            hashes = tf.strings.to_hash_bucket_fast(tokens, _STRING_BUCKETS)
            if self.words[1] > 1:
                hashes = tf.concat([tf.fill([n, 1], tf.constant(_START, tf.int64)), hashes], axis=1)
            rows, ids = self._folded(hashes, self.words, 0, self._ranges[0])
            found.append(rows * self.buckets + ids)
        if self.characters is not None:
            # Of each different word once: texts repeat words.
            unique, place = tf.unique(tokens.flat_values)
            points = tf.strings.unicode_decode(tf.strings.join([" ", unique, " "]), "UTF-8")
            rows, ids = self._folded(tf.cast(points, tf.int64), self.characters, _CHARACTERS, self._ranges[1])
            of_word = tf.RaggedTensor.from_value_rowids(*_by_row(rows, ids), nrows=tf.size(unique, tf.int64))
            gathered = tf.gather(of_word, place)
            rows = tf.repeat(tokens.value_rowids(), gathered.row_lengths())
            found.append(rows * self.buckets + gathered.flat_values)
        keys = tf.sort(tf.concat(found, axis=0))
        keys = tf.boolean_mask(keys, tf.not_equal(keys, tf.concat([[-1], keys[:-1]], axis=0)[: tf.size(keys)]))
        rows, ids = keys // self.buckets, tf.cast(keys % self.buckets, tf.int32)
        if self.listed is not None:
            table = tf.convert_to_tensor(self._table)
            place = tf.searchsorted(table, ids)
            known = tf.equal(tf.gather(table, place), ids)
            rows, ids = tf.boolean_mask(rows, known), tf.boolean_mask(place, known) + 1
        return tf.RaggedTensor.from_value_rowids(ids, rows, nrows=n)

    def encode(self, texts: Iterable[str]) -> tf.RaggedTensor:
        """The ids of many texts, found on all cores: equal to `__call__`."""
        values, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        found = mapped_chunks(texts, lambda part: self._parts(self(part)), size=_CHUNK_TEXTS)
        for ids, of_each in found:
            values.append(ids)
            lengths.append(of_each)
        return tf.RaggedTensor.from_row_lengths(np.concatenate(values), np.concatenate(lengths), validate=False)

    @staticmethod
    def _parts(ids: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        return ids.flat_values, ids.row_lengths()

    def listing(self, ids: npt.NDArray[np.int32], *, min_count: int = 1, most: int | None = None) -> "NGrams":
        """Return the n-grams that have ids only where they occur in the given ones.

        Args:
            ids: hashes of n-grams as `encode` gives them, of all texts.
            min_count: n-grams of fewer texts are left out.
            most: how many are listed at most, the most frequent ones.

        Raises:
            ValueError: these n-grams are listed already.
        """
        if self.listed is not None:
            raise ValueError("these n-grams are listed already: list those of hashed ones")
        kept, counts = np.unique(ids, return_counts=True)
        kept, counts = kept[counts >= min_count], counts[counts >= min_count]
        if most is not None and len(kept) > most:
            kept = np.sort(kept[np.argsort(-counts, kind="stable")[:most]])
        return NGrams(self.words, self.characters, buckets=self.buckets, listed=kept)

    def relisted(self, hashed: tf.RaggedTensor) -> tf.RaggedTensor:
        """The ids of listed n-grams from the hashes that the same n-grams have without a list."""
        if self.listed is None:
            return hashed
        values, listed = hashed.flat_values.numpy(), np.append(self.listed, self.buckets)
        place = np.searchsorted(listed, values)
        known = listed[place] == values
        counts = np.add.reduceat(np.append(known, False), hashed.row_starts().numpy(), dtype=np.int64)
        counts[hashed.row_lengths().numpy() == 0] = 0
        return tf.RaggedTensor.from_row_lengths((place[known] + 1).astype(np.int32), counts, validate=False)

    def names(self, texts: Iterable[str]) -> dict[int, str]:
        """The n-grams of some texts, by their ids: words with blanks between them, characters in quotes.

        Ids are found with Python's integers, not in a graph: for hundreds of texts, not for all.
        """
        found: dict[int, str] = {}
        of_word: dict[bytes, dict[int, str]] = {}
        for text in texts:
            words = self._tokenizer(tf.constant([text]))[0].numpy().tolist()
            hashes = tf.strings.to_hash_bucket_fast(tf.constant(words, tf.string), _STRING_BUCKETS).numpy().tolist()
            if self.words is not None:
                parts = [word.decode("utf-8") for word in words]
                if self.words[1] > 1:
                    hashes, parts = [_START, *hashes], ["<start>", *parts]
                found |= self._named(hashes, parts, self.words, 0, self._ranges[0], " ", "{}")
            if self.characters is None:
                continue
            for word in words:
                if word not in of_word:
                    parts = list(f" {word.decode('utf-8')} ")
                    points = [ord(part) for part in parts]
                    of_word[word] = self._named(
                        points, parts, self.characters, _CHARACTERS, self._ranges[1], "", "“{}”"
                    )
                found |= of_word[word]
        if self.listed is None:
            return found
        listed = {int(value): place + 1 for place, value in enumerate(self.listed)}
        return {listed[value]: name for value, name in found.items() if value in listed}

    @staticmethod
    def _named(
        hashes: list[int],
        parts: list[str],
        lengths: tuple[int, int],
        salt: int,
        hashed: tuple[int, int],
        separator: str,
        form: str,
    ) -> dict[int, str]:
        """As `_folded` and `_bucket`, with Python's integers."""
        found = {}
        for length in range(lengths[0], lengths[1] + 1):
            for start in range(len(hashes) - length + 1):
                value = length + salt
                for part in hashes[start : start + length]:
                    value = (value * _PRIME + part + 2**63) % 2**64 - 2**63
                if length == 1 and hashes[start] == _START:
                    continue
                name = form.format(separator.join(parts[start : start + length]))
                found[hashed[0] + (value ^ (value >> 29)) % hashed[1]] = name
        return found

    def config(self) -> dict[str, Any]:
        """The arguments that make equal n-grams, without the list."""
        return {"words": self.words, "characters": self.characters, "buckets": self.buckets}

    @staticmethod
    def _bucket(hashes: tf.Tensor, hashed: tuple[int, int]) -> tf.Tensor:
        """Ids of a range; the high bits, which depend on all parts, are mixed into the low ones."""
        hashes = tf.bitwise.bitwise_xor(hashes, tf.bitwise.right_shift(hashes, tf.constant(29, tf.int64)))
        return hashed[0] + tf.math.floormod(hashes, hashed[1])

    def _folded(
        self, parts: tf.RaggedTensor, lengths: tuple[int, int], salt: int, hashed: tuple[int, int]
    ) -> tuple[tf.Tensor, tf.Tensor]:
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
            all_ids.append(self._bucket(tf.boolean_mask(folded, inside), hashed))
        return tf.concat(all_rows, 0), tf.concat(all_ids, 0)


def _by_row(rows: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Ids and their rows, in the order of the rows."""
    order = tf.argsort(rows, stable=True)
    return tf.gather(ids, order), tf.gather(rows, order)
