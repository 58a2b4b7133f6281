"""The activation of a model's output, which tells logits from probabilities."""

from typing import Any

import keras

__all__: list[str] = []

# Operations that turn logits into logits and probabilities into probabilities.
_PASSED_THROUGH = ("cast", "dropout", "flatten", "identity", "rescaling", "reshape", "squeeze")
_PROBABILITIES = ("softmax", "sigmoid")


def last_activation(model: keras.Model) -> str | None:
    """Return the name of the activation that a model's output ends in: "softmax", "sigmoid", "linear", ...

    None where it is unknown: a subclassed model, several outputs, or a last layer without an activation.
    """
    output = getattr(model, "outputs", None) or [None]
    if len(output) != 1 or not hasattr(output[0], "_keras_history"):
        return None
    tensor = output[0]
    while True:
        operation = tensor._keras_history.operation
        if isinstance(operation, keras.Model):
            return last_activation(operation)
        name = _activation(operation)
        arguments = operation._inbound_nodes[tensor._keras_history.node_index].input_tensors
        if name is not None and (name != "linear" or not isinstance(operation, keras.layers.Activation)):
            return name
        if name is None and type(operation).__name__.lower() not in _PASSED_THROUGH or len(arguments) != 1:
            return None
        tensor = arguments[0]


def gives_probabilities(model: keras.Model) -> bool:
    """Return whether a model's output ends in softmax or sigmoid; False also where that is unknown."""
    return last_activation(model) in _PROBABILITIES


def _activation(operation: Any) -> str | None:
    """Return the name of an operation's own activation; None: it has none."""
    kind = type(operation).__name__.lower()
    if kind in _PROBABILITIES:  # the layer, or the operation of `keras.ops`
        return kind
    activation = getattr(operation, "activation", None)
    return None if activation is None else getattr(activation, "__name__", type(activation).__name__).lower()
