"""Token input and embedding of the text models, and loading of pretrained word vectors."""

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
    """Return a text model's input, ids (batch, steps), and its word vectors (batch, steps, embedding_dim).

    Steps of id 0 are masked. The embedding layer is named "embedding". Each text is cut after `length` tokens.
    """
    ids, x = token_input(length, dtype)
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


def token_input(
    length: int | None, dtype: keras.DTypePolicy, *, pad: bool = False
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return a text model's input, ids (batch, steps), and each text's first `length` ids; with None, all ids.

    With `pad`, shorter texts are padded to `length`.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    return ids, ids if length is None else FixedLength(length, pad=pad, dtype=dtype, name="first_tokens")(ids)


def load_word_vectors(model: keras.Model, vectors: Any) -> None:
    """Load pretrained word vectors into a text model's embedding.

    The model's `embedding_trainable` says whether they are trained further. The vectors are weights of the model and
    saved with it.

    Args:
        model: A model of `tfconv.models` with a layer named "embedding".
        vectors: Float (vocabulary_size, embedding_dim); row i is the vector of id i.

    Raises:
        InputError: the model has no embedding, the shape of `vectors` is not that of the embedding, or `vectors` has
            NaN or infinite values.
    """
    names = [layer.name for layer in model.layers]
    if "embedding" not in names:
        raise InputError(f"model {model.name!r} has no layer named 'embedding' to load word vectors into")
    variable = model.get_layer("embedding").embeddings
    vectors = np.asarray(vectors)
    if vectors.shape != tuple(variable.shape):
        raise InputError(
            f"word vectors of shape {vectors.shape} do not fit the embedding of shape {tuple(variable.shape)} "
            "(vocabulary_size, embedding_dim): build the model with these sizes, or read vectors of its embedding_dim"
        )
    if not np.all(np.isfinite(vectors)):
        raise InputError("word vectors contain NaN or infinite values: read the file again, or set those rows to zero")
    variable.assign(vectors)
