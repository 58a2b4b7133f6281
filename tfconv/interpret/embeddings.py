"""Word vectors in the form that TensorBoard's projector opens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from google.protobuf import text_format
from tensorboard.plugins.projector import EmbeddingInfo, ProjectorConfig
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME

from tfconv.errors import InputError
from tfconv.files import atomic_write

__all__ = ["embedding_matrix", "write_projector"]


def write_projector(
    model: keras.Model, vocabulary: Sequence[str] | Any, directory: str | Path, *, limit: int = 10_000
) -> Path:
    """Write a model's word vectors so that `tensorboard --logdir directory` shows them in its projector.

    Writes `vectors.tsv`, `metadata.tsv` (one token a line: control characters are escaped as in Python, a token of
    blanks is quoted, the empty token of the padding reads `<pad>`) and `projector_config.pbtxt`, each atomically.

    Args:
        model: has an embedding; see `embedding_matrix`.
        vocabulary: a `tfconv.data` `Vocabulary`, or its tokens in the order of their ids.
        directory: folder to write into; made when missing.
        limit: only the first tokens, which are the most frequent; the projector's t-SNE takes 10,000 points.

    Returns:
        The path of `projector_config.pbtxt`.

    Raises:
        InputError: the model has no embedding, or one with fewer rows than the vocabulary has tokens.
    """
    tokens = list(getattr(vocabulary, "tokens", vocabulary))
    name, matrix = embedding_matrix(model)
    if len(matrix) < len(tokens):
        raise InputError(
            f"the embedding {name!r} has {len(matrix)} rows, the vocabulary {len(tokens)} tokens: take the model's own"
        )
    tokens = tokens[:limit]
    directory = Path(directory)
    with atomic_write(directory / "vectors.tsv", "w") as file:
        # Nine digits give every float32 back.
        np.savetxt(file, matrix[: len(tokens)], fmt="%.9g", delimiter="\t")
    with atomic_write(directory / "metadata.tsv", "w") as file:
        # A single column has no header line.
        file.writelines(f"{_one_line(token)}\n" for token in tokens)
    entry = EmbeddingInfo(
        tensor_name=name,
        tensor_shape=[len(tokens), matrix.shape[1]],
        tensor_path="vectors.tsv",
        metadata_path="metadata.tsv",
    )
    # Last: a config that names files is only there when they are.
    with atomic_write(directory / PROJECTOR_FILENAME, "w") as file:
        file.write(text_format.MessageToString(ProjectorConfig(embeddings=[entry])))
    return directory / PROJECTOR_FILENAME


def embedding_matrix(model: keras.Model) -> tuple[str, npt.NDArray[np.float32]]:
    """Find a model's word vectors: the first layer, inner models included, with a 2-D variable `embeddings`.

    Returns:
        The layer's name, and float32 (ids, width).

    Raises:
        InputError: there is no such layer.
    """
    for layer in model._flatten_layers(include_self=False):
        embeddings = getattr(layer, "embeddings", None)
        if embeddings is not None and len(embeddings.shape) == 2:
            return layer.name, np.asarray(keras.ops.convert_to_numpy(embeddings), np.float32)
    raise InputError(f"the model {model.name!r} has no embedding layer, so there are no word vectors to write")


def _one_line(token: str) -> str:
    """Spell a token so that it is one visible line without tabs (the projector drops blank lines)."""
    if not token:
        return "<pad>"
    if not token.strip():
        return repr(token)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in token)
