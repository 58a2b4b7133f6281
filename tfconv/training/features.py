"""What a frozen network makes of a data set, computed once."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfconv.data.pipeline import row_batches
from tfconv.files import atomic_write

__all__ = ["precompute"]


def precompute(
    body: keras.Model,
    data: tf.data.Dataset,
    *,
    batch_size: int = 128,
    seed: int | None = None,
    cache: str | Path | None = None,
) -> tf.data.Dataset:
    """Run the frozen part of a model over a data set once, so that its head can be trained in seconds.

    To train the head on the result is to train the model with its body frozen, on the same batches in the same order,
    as long as nothing in the body is random: no augmentation, and no dropout but that of the head.

        body, head = split_head(model)
        fit(head, precompute(body, data.batches("train"), batch_size=64, seed=0), epochs=20)

    Args:
        body: from `split_head`; it runs as it does outside training.
        data: batches (inputs, labels), the same in each pass: `data.batches("train")` and not `data.train`.
        batch_size: examples a batch of the result.
        seed: shuffle by (seed, epoch), as `data.train` does; `None`: keep the order.
        cache: folder for the features; a file in it is found again by the SHA-256 of the body's weights and structure
            and of all inputs and labels. `None`: they are kept in memory only.

    Returns:
        Batches (features, labels), float32 features as the body gives them.

    Raises:
        ValueError: `data` is reshuffled each epoch, or empty; `batch_size` is out of range.
    """
    if hasattr(data, "at_epoch"):
        raise ValueError("data must be batches in order and not augmented, data.batches('train'), got data.train")
    if cache is None:
        features, labels = _computed(body, data)
    else:
        key = _fingerprint(body, data)
        path = Path(cache) / f"features-{key[:32]}.npz"
        stored = _read(path, key)
        if stored is None:
            stored = _computed(body, data)
            with atomic_write(path) as file:
                np.savez(file, key=np.array(key), features=stored[0], labels=stored[1])
        features, labels = stored
    rows, targets = tf.constant(features), tf.constant(labels)

    def take(chosen: tf.Tensor, epoch: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(rows, chosen), tf.gather(targets, chosen)

    return row_batches(len(labels), take, batch_size=batch_size, seed=seed, unit="example")


def _computed(body: keras.Model, data: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    run = tf.function(lambda inputs: tf.cast(body(inputs, training=False), tf.float32), reduce_retracing=True)
    parts = [(run(inputs).numpy(), labels.numpy()) for inputs, labels in data]
    if not parts:
        raise ValueError("data must hold at least one batch, got none")
    features, labels = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(labels)


def _fingerprint(body: keras.Model, data: tf.data.Dataset) -> str:
    digest = hashlib.sha256(json.dumps([_settings(layer) for layer in body._flatten_layers()], default=str).encode())
    batches = ([inputs.numpy(), labels.numpy()] for inputs, labels in data)
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


def _read(path: Path, key: str) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return (archive["features"], archive["labels"]) if str(archive["key"]) == key else None
    except Exception:  # absent, or damaged in whatever way: it is computed anew
        return None
