"""Many texts tokenised, some hundred at a time."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from tfconv.data.text import Tokenizer

__all__ = ["TokenChunk", "token_chunks"]

_CHUNK_CHARACTERS = 1 << 20


class TokenChunk(NamedTuple):
    """Some hundred tokenised texts: text i is `unique[places[sum(lengths[:i]):][:lengths[i]]]`."""

    unique: np.ndarray  # bytes, the different tokens
    occurrences: np.ndarray  # how often each occurs
    places: np.ndarray  # int32, for every token of every text its place in `unique`
    lengths: np.ndarray  # int64, tokens of each text


def token_chunks(texts: Iterable[str], tokenizer: "Tokenizer", *, size: int = 512) -> Iterator[TokenChunk]:
    """Tokenise on all cores, `size` texts at a time (fewer of long ones); memory does not grow with their number."""
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

    def tokenise(part: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tokens = tokenizer(part)
        unique, places, counts = tf.unique_with_counts(tokens.flat_values)
        return unique, counts, places, tokens.row_lengths()

    dataset = tf.data.Dataset.from_generator(lists, output_signature=tf.TensorSpec([None], tf.string))
    dataset = dataset.map(tokenise, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    for arrays in dataset.as_numpy_iterator():
        yield TokenChunk(*arrays)
    if failed:
        raise failed[0]
