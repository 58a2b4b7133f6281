"""From token ids to vectors: the first layers of every text model, and pretrained word vectors in them."""

from typing import Any

import keras
import numpy as np

from tfconv.errors import InputError
from tfconv.layers.tokens import FixedLength

__all__ = ["load_word_vectors"]


def embedded_tokens(
    vocabulary_size: int,
    embedding_dim: int,
    *,
    length: int | None,
    trainable: bool,
    dtype: keras.DTypePolicy,
    initializer: Any = "uniform",
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return a model's input and its vectors: ids (batch, steps) and embeddings (batch, steps, embedding_dim).

    The steps of id 0 are masked. The embedding layer is named "embedding". Ids beyond the first `length` are cut.
    """
    ids, x = first_tokens(length, dtype)
    x = keras.layers.Embedding(
        vocabulary_size,
        embedding_dim,
        embeddings_initializer=initializer,
        mask_zero=True,
        trainable=trainable,
        dtype=dtype,
        name="embedding",
    )(x)
    return ids, x


def first_tokens(length: int | None, dtype: keras.DTypePolicy) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return a model's input, ids (batch, steps), and of each row the first `length` ids; None: all of them."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    return ids, ids if length is None else FixedLength(length, pad=False, dtype=dtype, name="first_tokens")(ids)


def load_word_vectors(model: keras.Model, vectors: Any) -> None:
    """Put pretrained word vectors into a text model's embedding.

    Whether they are trained further is the model's `embedding_trainable`. The vectors are weights: a saved model holds
    them in its file, and its configuration stays small.

    Args:
        model: A model of `tfconv.models` with a layer named "embedding".
        vectors: float (vocabulary_size, embedding_dim); row i is the vector of id i.

    Raises:
        InputError: the model has no embedding, or the shape of `vectors` is not that of the embedding.
    """
    names = [layer.name for layer in model.layers]
    if "embedding" not in names:
        raise InputError(f"model {model.name!r} has no layer named 'embedding' to load word vectors into")
    variable = model.get_layer("embedding").embeddings
    vectors = np.asarray(vectors)
    if vectors.shape != tuple(variable.shape):
        raise InputError(
            f"word vectors of shape {vectors.shape} do not fit the embedding of shape {tuple(variable.shape)} "
            "(vocabulary_size, embedding_dim): build the model with these sizes or read vectors of its width"
        )
    if not np.all(np.isfinite(vectors)):
        raise InputError("word vectors hold NaN or infinite values: read the file again, or set those rows to zero")
    variable.assign(vectors)
