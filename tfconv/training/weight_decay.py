"""Which weights decay."""

from typing import Any

import keras

__all__ = ["decay_kernels_only"]

_NORMS = tuple(
    getattr(keras.layers, name)
    for name in ("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization")
)


def decay_kernels_only(optimizer: Any, model: keras.Model) -> None:
    """Leave biases and the weights of normalisation out of an optimizer's weight decay.

    They are few, and to pull them to zero does not make a network simpler. Meant are: every weight of one axis or
    none, every weight of a normalisation layer, and what its layer calls a bias (that of an `EinsumDense` may have two
    axes). Word vectors decay.

    Args:
        optimizer: not built yet, with a `weight_decay`; what it left out before is forgotten.
        model: built.

    Raises:
        ValueError: the model is not built.

    Reference: He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2019, section
        3.1.
    """
    if not model.weights:
        raise ValueError(f"the model must be built and have weights, got {model.name!r} without")
    left_out = [weight for weight in model.weights if len(weight.shape) < 2 or weight.name == "bias"]
    for layer in model._flatten_layers():
        if isinstance(layer, _NORMS):
            left_out += layer.weights
    optimizer.exclude_from_weight_decay(var_list=left_out)
