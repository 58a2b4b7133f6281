"""What a model's last layer gives."""

import keras

__all__: list[str] = []


def gives_probabilities(model: keras.Model) -> bool:
    """Whether a model ends in softmax or sigmoid, judged by its last layer, and not in logits."""
    last = model.layers[-1] if model.layers else None
    name = getattr(getattr(last, "activation", None), "__name__", type(last).__name__).lower()
    return name in ("softmax", "sigmoid")
