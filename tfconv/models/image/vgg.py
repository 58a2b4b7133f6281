"""VGG networks: deep stacks of 3 x 3 convolutions."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.blocks import InputShape, check_normalization, hidden_layers, image_input, pooled_convolution

__all__ = ["VGG16"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class VGG16(keras.Model):
    """VGG-16 for ImageNet (configuration D), with 138,357,544 parameters.

    Five stages of 2, 2, 3, 3 and 3 convolutions of 3 x 3, each followed by 2 x 2 max pooling, then two hidden layers
    and the logits. Kernels are initialised He normal, with which all layers train at once. (The paper initialised them
    from a trained shallower network.)

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the convolutions in each of the five stages.
        hidden_units: Units of each hidden layer.
        normalization: None as published, or "batch".
        dropout: Fraction of units dropped after each hidden layer.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; at least 32 x 32 pixels.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: `widths` of another length than five; an unknown normalization; an `input_shape` that is too small
            (`InputError`).

    Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015,
        table 1, column D.
    """

    def __init__(
        self,
        input_shape: InputShape = (224, 224, 3),
        classes: int = 1000,
        *,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        hidden_units: Sequence[int] = (4096, 4096),
        normalization: str | None = None,
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        check_normalization(normalization)
        if len(widths) != 5:
            raise ValueError(f"widths must be five numbers, one a stage. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = x = image_input(input_shape, smallest=32, known=True)
        for i, (width, convolutions) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), start=1):
            for j in range(1, convolutions + 1):
                settings: dict[str, Any] = {
                    "normalization": normalization,
                    "kernel_initializer": "he_normal",
                    "dtype": policy,
                    "name": f"convolution_{i}_{j}",
                }
                if j < convolutions:
                    x = ConvNormAct2D(width, 3, **settings)(x)
                else:
                    x = pooled_convolution(x, width, 3, (2, 2), **settings)
        x = hidden_layers(x, hidden_units, activation="relu", dropout=dropout, dtype=policy)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)
