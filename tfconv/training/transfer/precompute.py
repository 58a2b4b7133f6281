"""Features of a frozen network, computed once for a data set."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfconv.data.batching import EpochDataset, row_batches
from tfconv.files import atomic_write
from tfconv.training.loop.feed import labels_spec

__all__ = ["precompute"]

_NAMES = ("features", "labels", "weights")  # of the arrays in a file


def precompute(
    body: keras.Model,
    data: tf.data.Dataset,
    *,
    batch_size: int = 128,
    seed: int | None = None,
    cache: str | Path | None = None,
) -> tf.data.Dataset:
    """Compute the features of a data set with the frozen part of a model, so that its head trains in seconds.

    To train the head on the result is to train the model with its body frozen, on the same batches in the same order,
    as long as nothing in the body is random: no augmentation, and no dropout but that of the head.

        body, head = split_head(model)
        fit(head, precompute(body, data.batches("train"), batch_size=64, seed=0), epochs=20)

    Args:
        body: from `split_head`; it runs as it does outside training.
        data: batches (inputs, labels) or (inputs, labels, sample weights), the same in each pass:
            `data.batches("train")` and not `data.train`.
        batch_size: examples a batch of the result.
        seed: shuffle by (seed, epoch), as `data.train` does; `None`: keep the order.
        cache: folder for the features; a file in it is found again by the SHA-256 of the body's weights and structure
            and of all batches. `None`: they are in memory only.

    Returns:
        Batches (features, labels), float32 features as the body gives them, and the sample weights where there are.

    Raises:
        ValueError: `data` is reshuffled each epoch, empty or without labels; `batch_size` is out of range.
    """
    if isinstance(data, EpochDataset):
        raise ValueError("data must be batches in order and not augmented, data.batches('train'), got data.train")
    labels_spec(data)
    if cache is None:
        arrays = _computed(body, data)
    else:
        key = _fingerprint(body, data)
        path = Path(cache) / f"features-{key[:32]}.npz"
        stored = _read(path, key)
        if stored is None:
            stored = _computed(body, data)
            named: dict[str, Any] = dict(zip(_NAMES, stored, strict=False))
            with atomic_write(path) as file:
                np.savez(file, key=np.array(key), **named)
        arrays = stored
    tensors = [tf.constant(array) for array in arrays]

    def take(chosen: tf.Tensor, epoch: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tuple(tf.gather(rows, chosen) for rows in tensors)

    return row_batches(len(arrays[0]), take, batch_size=batch_size, seed=seed, unit="example")


def _computed(body: keras.Model, data: tf.data.Dataset) -> list[np.ndarray]:
    run = tf.function(lambda inputs: tf.cast(body(inputs, training=False), tf.float32), reduce_retracing=True)
    parts = [(run(inputs).numpy(), *(array.numpy() for array in others)) for inputs, *others in data]
    if not parts:
        raise ValueError("data must hold at least one batch, got none")
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _fingerprint(body: keras.Model, data: tf.data.Dataset) -> str:
    digest = hashlib.sha256(json.dumps([_settings(layer) for layer in body._flatten_layers()], default=str).encode())
    batches = ([array.numpy() for array in batch] for batch in data)
    for arrays in ([weight.numpy() for weight in body.weights], *batches):
        for array in arrays:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _settings(layer: keras.layers.Layer) -> list[Any]:
    try:
        config = {} if isinstance(layer, keras.Model) else layer.get_config()
    except NotImplementedError:  # a layer without settings of its own need not have any
        config = {"name": layer.name, "dtype": layer.dtype_policy.name}
    return [type(layer).__name__, sorted(config.items())]


def _read(path: Path, key: str) -> list[np.ndarray] | None:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return [archive[name] for name in _NAMES if name in archive] if str(archive["key"]) == key else None
    except Exception:  # absent, or damaged in whatever way: it is computed again
        return None
