"""Layer groups of a model, from input to head, and which of them are frozen."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["freeze_batch_norm", "freeze_to", "layer_groups"]

Groups = Sequence[Sequence[keras.layers.Layer]]


def layer_groups(model: keras.Model, groups: int | Sequence[str] | None = None) -> list[list[keras.layers.Layer]]:
    """Divide the layers that have weights into groups, from input to head.

    The last group is the head: the last layer with a kernel (a weight of two axes or more) and what follows it. The
    other layers are divided evenly; a normalisation stays with the kernel before it, a residual block is one layer, and
    a model inside the model (the "backbone" of `tfconv.models.from_application`) is replaced by its layers.

    Args:
        model: built; of any class. The layers of a subclass without a graph count in the order of its attributes.
        groups: how many, the head included; or the names of the layers at which the second and later groups begin.
            Default: 3, or the number of layers with kernels where that is smaller.

    Raises:
        ValueError: the model is not built, has fewer layers than `groups`, or none of a name; names out of order.
    """
    layers = weighted_layers(model)
    units = _units(layers)
    if groups is None:
        groups = min(3, len(units))
    if isinstance(groups, int):
        if not 1 <= groups <= len(units):
            raise ValueError(f"groups must be from 1 to {len(units)}, the model's layers with kernels, got {groups}")
        if groups == 1:
            return [layers]
        parts = np.array_split(np.arange(len(units) - 1), groups - 1)
        return [[layer for i in part for layer in units[i]] for part in parts] + [units[-1]]
    names = [layer.name for layer in layers]
    first = {inner.name: weighted_layers(inner)[0].name for inner in _inner_models(model) if inner.weights}
    starts = []
    for name in groups:
        if (found := first.get(name, name)) not in names:
            raise ValueError(f"groups must name layers with weights ({', '.join(names)}), got {name!r}")
        starts.append(names.index(found))
    if starts != sorted(set(starts)) or starts[:1] == [0]:
        raise ValueError(f"groups must name layers after the first, from input to head, each once, got {list(groups)}")
    return [layers[begin:end] for begin, end in zip([0, *starts], [*starts, len(layers)], strict=True)]


def freeze_to(model: keras.Model, n: int, groups: Groups | None = None) -> None:
    """Freeze the first n groups and train the others; call it before `fit`.

    Frozen weights do not change, and batch normalisation in a frozen group uses its moving averages and leaves them.
    Every other layer becomes trainable, also one that was frozen in another way (`embedding_trainable=False`,
    `freeze_batch_norm`).

    Args:
        model: built.
        n: groups to freeze; a negative number counts those that train: -1 trains the head alone. 0 trains all.
        groups: from `layer_groups`; default `layer_groups(model)`.

    Raises:
        ValueError: no group would train, or there are fewer.
    """
    groups = layer_groups(model) if groups is None else groups
    frozen = n + len(groups) if n < 0 else n
    if not 0 <= frozen < len(groups):
        raise ValueError(f"n must be from -{len(groups)} to {len(groups) - 1} for {len(groups)} groups, got {n}")
    for layer in model._flatten_layers():  # Keras skips model.trainable = True where it is True and layers are not
        layer.trainable = True
    for group in groups[:frozen]:
        for layer in group:
            layer.trainable = False


def freeze_batch_norm(model: Any) -> int:
    """Freeze batch normalisation: it uses its moving averages in training too, and nothing in it changes.

    The averages of a large data set are better than those of small batches of a small one. Call it after `freeze_to`
    and before `fit`.

    Args:
        model: a model or a layer; Keras' `BatchNormalization` and what derives from it is frozen wherever it is inside.

    Returns:
        The number of layers frozen.
    """
    found = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in found:
        layer.trainable = False
    return len(found)


def weighted_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers with weights in the order of the graph, inner models replaced by their layers.

    Raises:
        ValueError: there is none: the model is not built, or empty.
    """
    layers = list({id(layer): layer for layer in _opened(model) if layer.weights}.values())
    if not layers:
        raise ValueError(f"the model must be built and have weights, got {model.name!r} without")
    return layers


def _opened(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _opened(layer)
        else:
            yield layer


def _inner_models(model: keras.Model) -> Iterator[keras.Model]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield layer
            yield from _inner_models(layer)


def _units(layers: Sequence[keras.layers.Layer]) -> list[list[keras.layers.Layer]]:
    """Each layer with a kernel and the layers without one that follow it (and, at the start, go before)."""
    units: list[list[keras.layers.Layer]] = []
    for layer in layers:
        if units and not (has_kernel(layer) and any(map(has_kernel, units[-1]))):
            units[-1].append(layer)
        else:
            units.append([layer])
    return units


def has_kernel(layer: keras.layers.Layer) -> bool:
    """Whether a layer has a weight of two axes or more."""
    return any(len(weight.shape) >= 2 for weight in layer.weights)
