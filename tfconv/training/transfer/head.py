"""Trained networks with another head, for images of another size, or divided into body and head."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfconv.training.transfer.layer_groups import has_kernel, weighted_layers

__all__ = ["resized_batches", "split_head", "with_input_shape", "with_new_head"]


def with_new_head(model: keras.Model, classes: int, **changes: Any) -> keras.Model:
    """Return the same network with a new last layer for other classes, and the trained weights of all other layers.

    Args:
        model: any of `tfconv.models`; or another functional or `Sequential` model, whose last layer with a kernel is
            `Dense` or a convolution.
        classes: number of logits of the new model, 1 for two classes (`data.outputs`).
        **changes: other constructor arguments of one of `tfconv.models` that do not change the shapes of its weights:
            `dtype`, `dropout`, ...

    Returns:
        A model of the same class that shares nothing with the old one.

    Raises:
        ValueError: `classes` is below 1, the model has no head that can be found, or a change does not fit the weights.
    """
    if classes < 1:
        raise ValueError(f"classes must be 1 or more, got {classes}")
    head = _head(model)
    config = _config(model)
    if "classes" in config:
        twin = type(model).from_config({**config, "classes": classes, **changes})
    elif changes:
        raise ValueError(f"changes must be arguments of one of tfconv.models, got {sorted(changes)} for {model.name!r}")
    else:
        twin = _cloned(model, head, classes)
    copy_weights(model, twin, but=[head])
    return twin


def with_input_shape(model: keras.Model, input_shape: Sequence[int | None]) -> keras.Model:
    """Return the same network, with the same weights, for images of another size.

    For progressive resizing: the first epochs on small images, which take a fraction of the time, the last ones on
    images of full size. It works for networks of convolutions with global pooling, as `AllConvNet`,
    `ConvBatchNormNet`, `ConvNet`, `LessonResNet`, `ResNet`, `ResNetCIFAR`, `WhitenedResNet` and those of
    `from_application` are.

    Args:
        model: an image model of `tfconv.models`, or another functional model.
        input_shape: (height, width, channels).

    Raises:
        ValueError: the network has weights for each position in an image, or the size is too small for it.

    Reference: fast.ai, "Training Imagenet in 3 hours for $25; and CIFAR10 for $0.26", 2018.
    """
    config = _config(model)
    shape = [None if side is None else int(side) for side in input_shape]
    try:
        if "input_shape" in config:
            twin = type(model).from_config({**config, "input_shape": shape})
        else:
            twin = type(model).from_config(_reshaped(config, list(model.input_shape), [None, *shape]))
        copy_weights(model, twin)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"input_shape must be one that {model.name!r} can take, got {tuple(input_shape)}: {_first_line(error)}"
        ) from error
    return twin


def split_head(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Divide a model into its body, from inputs to features, and its head, from features to outputs.

    Both share their layers with the model: training the head trains that of the model. Dropout right before the last
    layer belongs to the head.

    Args:
        model: any of `tfconv.models`, or another functional or `Sequential` model that ends in one layer after another.

    Raises:
        ValueError: it has no graph, or the last layer with a kernel lies inside another model or beside a branch.
    """
    graph = getattr(model, "_functional", None) or model
    head = _head(model)
    if not hasattr(graph, "_nodes_by_depth") or head not in model.layers:
        raise ValueError(f"the model must be a graph with its last layer in it, got {model.name!r}")
    nodes = {node.operation: node for depth in graph._nodes_by_depth.values() for node in depth}
    chain = [layer for layer in model.layers[model.layers.index(head) :]]
    before = nodes[head].input_tensors[0]._keras_history.operation
    while isinstance(before, keras.layers.Dropout | keras.layers.GaussianNoise | keras.layers.GaussianDropout):
        chain.insert(0, before)
        before = nodes[before].input_tensors[0]._keras_history.operation
    for one, following in zip(chain, chain[1:], strict=False):
        tensors = nodes[following].input_tensors
        if len(tensors) != 1 or tensors[0]._keras_history.operation is not one:
            raise ValueError(f"the model must end in one layer after another, got {following.name!r} beside a branch")
    features = nodes[chain[0]].input_tensors[0]
    x = inputs = keras.Input(features.shape[1:], dtype=features.dtype, name="features")
    for layer in chain:
        x = layer(x)
    origin = graph.inputs[0] if len(graph.inputs) == 1 else graph.inputs
    return keras.Model(origin, features, name="body"), keras.Model(inputs, x, name="head")


def copy_weights(model: keras.Model, twin: keras.Model, but: Sequence[keras.layers.Layer] = ()) -> None:
    """Copy the weights of a model to one of the same layers, except those of some layers.

    Raises:
        ValueError: the weights are of other shapes.
    """
    if not twin.built:
        twin.build(model.input_shape)
    layers = weighted_layers(model)
    for one, other in zip(layers, weighted_layers(twin), strict=True):
        if one in but:
            continue
        shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (one, other)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"the weights of {one.name!r} are {shapes[0]} and would have to be {shapes[1]}")
        other.set_weights(one.get_weights())
        if isinstance(other, keras.layers.Normalization):
            other.finalize_state()  # it has its statistics a second time, as constants


def _head(model: keras.Model) -> keras.layers.Layer:
    kernels = [layer for layer in weighted_layers(model) if has_kernel(layer)]
    if not kernels:
        raise ValueError(f"the model must have a layer with a kernel, got {model.name!r} without")
    return kernels[-1]


def _config(model: keras.Model) -> dict[str, Any]:
    try:
        return model.get_config()
    except NotImplementedError:
        raise ValueError(f"the model must have get_config, got {type(model).__name__}") from None


def _cloned(model: keras.Model, head: keras.layers.Layer, classes: int) -> keras.Model:
    """The same graph with another number of outputs of `head`."""
    size = next((name for name in ("units", "filters") if name in head.get_config()), None)
    if size is None:
        raise ValueError(f"the last layer with a kernel must be Dense or a convolution, got {type(head).__name__}")

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer is head:
            return type(layer).from_config({**layer.get_config(), size: classes})
        if isinstance(layer, keras.Model) and head in weighted_layers(layer):
            return _cloned(layer, head, classes)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


def _reshaped(value: Any, old: list[Any], new: list[Any]) -> Any:
    """A model's configuration in which every input of height and width `old` is of those of `new`."""
    if isinstance(value, dict):
        if value.get("batch_shape") is not None and list(value["batch_shape"][1:3]) == old[1:3]:
            value = {**value, "batch_shape": [*new[:3], *value["batch_shape"][3:]]}
        return {name: _reshaped(part, old, new) for name, part in value.items() if name != "build_config"}
    if isinstance(value, list | tuple):
        return type(value)(_reshaped(part, old, new) for part in value)
    return value


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def resized_batches(dataset: tf.data.Dataset, size: tuple[int, int]) -> tf.data.Dataset:
    """Resize the images of batches (images, labels): bilinear, with antialiasing.

    Args:
        dataset: images float32 (batch, height, width, channels), as a model is given them. An `EpochDataset` gives one
            again: order and augmentation stay as they are.
        size: (height, width) of the result.

    Raises:
        ValueError: a size below 1.
    """
    if min(size) < 1:
        raise ValueError(f"size must be height and width of at least 1, got {tuple(size)}")

    def change(images: tf.Tensor, *rest: Any) -> tuple[Any, ...]:
        return tf.image.resize(images, size, antialias=True), *rest

    return dataset.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
