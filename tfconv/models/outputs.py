"""What a model's outputs are: logits, or probabilities."""

from typing import Any

import keras

__all__: list[str] = []

# Operations that leave probabilities and logits what they are.
_PASSED_THROUGH = ("cast", "dropout", "flatten", "identity", "rescaling", "reshape", "squeeze")
_PROBABILITIES = ("softmax", "sigmoid")


def last_activation(model: keras.Model) -> str | None:
    """Name the activation that a model of one output ends in: `"softmax"`, `"sigmoid"`, `"linear"` or another's name.

    `None` where it cannot be told: a subclassed model, or a last layer that has no activation.
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
    """Whether a model ends in softmax or sigmoid, and not in logits; False where it cannot be told."""
    return last_activation(model) in _PROBABILITIES


def _activation(operation: Any) -> str | None:
    kind = type(operation).__name__.lower()
    if kind in _PROBABILITIES:  # the layer, or the operation of `keras.ops`
        return kind
    activation = getattr(operation, "activation", None)
    return None if activation is None else getattr(activation, "__name__", type(activation).__name__).lower()
