"""The `Dirac` initializer of convolution kernels, and copies of initializers."""

from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["Dirac"]


def cloned(initializer: Any) -> Any:
    """Return a copy of an initializer, with a new random seed unless its seed is given.

    One object draws the same values at every call, so that all kernels of one shape would be equal.
    """
    return initializer.clone() if hasattr(initializer, "clone") else initializer


@keras.saving.register_keras_serializable(package="tfconv")
class Dirac(keras.initializers.Initializer):
    """Initialise a convolution's first filters to the identity, and the others from a uniform distribution.

    Filter i of the first min(channels, filters) is 1 at channel i of the window's centre and 0 elsewhere, so that a
    deep network passes its input on from the first training step. The other filters are drawn from
    U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), PyTorch's default.

    Args:
        seed: Seed of the random numbers; None: drawn from Keras' global seed.

    Shape: (*window, channels, filters), as a Keras convolution without groups has it.

    Raises:
        ValueError: a shape of fewer than three axes.

    Reference: Zagoruyko and Komodakis, "DiracNets", 2017; Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
        2024, section 3.2 (of the first filters only).
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._uniform = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform", seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Return a kernel of this shape."""
        if len(shape) < 3:
            raise ValueError(f"shape must be a convolution kernel's, (*window, channels, filters). Received: {shape}")
        *window, channels, filters = shape
        known = min(channels, filters)
        identity = np.zeros((*window, channels, known), "float32")
        identity[tuple(size // 2 for size in window)] = np.eye(channels, known)
        drawn = self._uniform(shape, dtype=dtype)
        return ops.concatenate([ops.cast(identity, drawn.dtype), drawn[..., known:]], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"seed": self.seed}
