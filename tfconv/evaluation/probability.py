"""What stands between a raw example and its probabilities, as graphs that predictions and exports share."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.errors import InputError
from tfconv.models.output_activation import gives_probabilities
from tfconv.tasks import Task

__all__ = ["check_outputs", "check_image_shape", "padded_width", "pixel_graph", "probability_graph"]


def probability_graph(
    model: Any, preprocess: Any, *, task: Task, width: tuple[int, bool] | None = None
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compose text -> ids -> logits -> probabilities, to be traced by a `tf.function`.

    Args:
        model: ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: strings (n,) to int32 ids (n, steps), padded with 0.
        task: says what the columns are.
        width: of the ids, from `padded_width`, which is asked when this is `None`.

    Returns:
        A function of a string tensor (n,) to float32 (n, C), with C = 2 where the model has one logit: [1 - p, p].
    """
    least, exact = padded_width(model, preprocess) if width is None else width

    def graph(texts: tf.Tensor) -> tf.Tensor:
        ids = preprocess(texts)
        ids = tf.pad(ids, [[0, 0], [0, tf.maximum(least - tf.shape(ids)[1], 0)]])
        if exact:
            ids = tf.ensure_shape(ids[:, :least], [None, least])
        return task.probability_tensor(tf.cast(model(ids, training=False), tf.float32))

    return graph


def pixel_graph(model: Any, preprocess: ImagePreprocess, *, task: Task) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compose pixels -> normalised pixels -> logits -> probabilities, to be traced by a `tf.function`.

    Args:
        model: normalised images (n, height, width, channels) to logits (n, 1) or (n, C).
        preprocess: normalises.
        task: says what the columns are.

    Returns:
        A function of uint8 (n, height, width, channels), of the size that `preprocess.resize` gives, to float32 (n, C)
        as in `probability_graph`.

    Raises:
        InputError: as `check_image_shape`.
    """
    check_image_shape(model, preprocess)

    def graph(pixels: tf.Tensor) -> tf.Tensor:
        return task.probability_tensor(tf.cast(model(preprocess.normalize(pixels), training=False), tf.float32))

    return graph


def check_image_shape(model: Any, preprocess: ImagePreprocess) -> None:
    """Raise an `InputError` if the model takes images of another shape than `preprocess` makes."""
    takes, gives = tuple(model.input_shape[1:]), tuple(preprocess.input_shape)
    if len(takes) != len(gives) or any(a not in (None, b) for a, b in zip(takes, gives, strict=True)):
        raise InputError(f"the model takes inputs of shape {takes}, and the preprocessing makes images of {gives}")


def padded_width(model: Any, preprocess: Any) -> tuple[int, bool]:
    """Find how wide ids must be, so that the model takes them and no text's answer depends on its neighbours.

    Returns:
        The least width, and whether it is the only one. A model with a fixed input length takes just that. Another
        one gets the longest text of the batch, at least as many ids as it accepts (a pooling may need some). A model
        that pays attention to padding (no mask) always gets the preprocessing's whole `length`, where there is one.

    Raises:
        InputError: the model gives no finite logits at any width up to 2048.
    """
    fixed = model.input_shape[1]
    if fixed is not None:
        return int(fixed), True
    limit = getattr(preprocess, "length", None)
    size = getattr(preprocess, "size", 3)
    # The last id too: a vocabulary larger than the model's embedding fails here and not at a user's text.
    ids = np.append(np.random.default_rng(0).integers(1, size, (3, 2047)), np.full((3, 1), size - 1), axis=1)
    ids = ids[:, ::-1].astype(np.int32)
    least = next(_accepted_widths(model, ids), None)
    if least is None:
        raise InputError(f"the model gives no finite logits for ids below {size}: is this vocabulary the model's own?")
    width = max(least, 8)
    alone = model(ids[:, :width], training=False).numpy()
    padded = model(np.pad(ids[:, :width], [(0, 0), (0, 2 * width + 1)]), training=False).numpy()
    if limit is not None and not np.allclose(alone, padded, rtol=1e-3, atol=1e-4):
        return max(least, limit), False
    return least, False


def check_outputs(model: Any, class_names: Sequence[str], *, task: Task) -> None:
    """Raise an `InputError` unless the model has one logit a class, or one for two classes that exclude each other.

    Also for a model that gives probabilities: they would go through softmax a second time.
    """
    if gives_probabilities(model):
        raise InputError("the model ends in softmax or sigmoid, and logits are needed: leave out its last activation")
    task.check_outputs(model.output_shape[-1], class_names)


def _accepted_widths(model: Any, ids: npt.NDArray[np.int32]) -> Iterator[int]:
    for width in (*range(1, 17), 32, 64, 128, 256, 512, 1024, 2048):
        try:
            logits = model(ids[:, :width], training=False).numpy()
        except (ValueError, tf.errors.OpError):  # too short for a window or a pooling
            continue
        if np.isfinite(logits).all():
            yield width
