"""Vocabularies: tokens and their ids, built from the most frequent tokens of the training texts."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from tfconv.data.text.special_tokens import OUT_OF_VOCABULARY, PAD, SPECIAL, START
from tfconv.data.text.token_counts import TokenCounts
from tfconv.data.text.tokenizer import TokenChunk
from tfconv.errors import InputError

__all__ = ["Vocabulary", "build_vocabulary"]


def build_vocabulary(
    chunks: Iterable[TokenChunk], size: int | None = None, *, min_count: int = 1, distinct: int | None = None
) -> "Vocabulary":
    """Build a vocabulary of the most frequent tokens; of equally frequent ones the alphabetically first.

    Args:
        chunks: from `token_chunks`.
        size: ids in all, the special ones included; `None`: no limit.
        min_count: tokens seen less often are left out.
        distinct: most different tokens to hold while counting, which bounds memory (2**19: 100 MB); where there are
            more, counts are too low by at most `TokenCounts.error`. `None`: all of them, exactly.

    Raises:
        ValueError: `size` leaves no room for a token.
        InputError: there is no token at all.
    """
    if size is not None and size <= len(SPECIAL):
        raise ValueError(f"vocabulary_size must be above {len(SPECIAL)} (pad, start, unknown), got {size}")
    counts = TokenCounts(distinct)
    for chunk in chunks:
        counts.add(chunk.unique.tolist(), chunk.occurrences.tolist())
    kept = sorted((-count, token) for token, count in counts if count >= min_count)
    if not kept:
        raise InputError("the training texts hold no word: is this the right column, and the right level (word, char)?")
    return Vocabulary([token.decode("utf-8") for _, token in kept[: None if size is None else size - len(SPECIAL)]])


class Vocabulary(tf.Module):
    """Tokens and their ids: 0 pads, 1 starts a text, 2 stands for every unknown token, then the tokens given.

    Args:
        tokens: the learned tokens, most frequent first, without the special ones.

    Raises:
        ValueError: a token is there twice.
    """

    def __init__(self, tokens: Sequence[str]):
        super().__init__(name="vocabulary")
        self.tokens: tuple[str, ...] = (*SPECIAL, *tokens)
        if twice := [token for token, count in Counter(tokens).items() if count > 1]:
            raise ValueError(f"a vocabulary holds each token once, got {twice[0]!r} twice")
        keys = tf.constant(list(tokens), tf.string, shape=(len(tokens),))
        ids = tf.range(len(SPECIAL), len(self.tokens), dtype=tf.int32)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), OUT_OF_VOCABULARY)

    def __len__(self) -> int:
        return len(self.tokens)

    def lookup(self, tokens: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
        """Tokens (string, dense or ragged) to int32 ids of the same shape."""
        return self.table.lookup(tokens)

    def decode(self, ids: Sequence[int] | np.ndarray, separator: str = " ") -> str:
        """Ids of one text back to text; padding and the start token are left out, unknown tokens read `<oov>`."""
        return separator.join(self.tokens[int(i)] for i in ids if int(i) not in (PAD, START))
