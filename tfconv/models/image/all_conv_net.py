"""The All-CNN-C network for CIFAR-10, which has convolutions only."""

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.blocks import InputShape, check_normalization, image_input

__all__ = ["AllConvNet"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class AllConvNet(keras.Model):
    """All-CNN-C: nine convolutions, with stride 2 in place of pooling and no dense layer; 1.37 M parameters.

    3 x 3 convolutions of 96, 96, 96 (stride 2), 192, 192, 192 (stride 2) and 192 filters (not padded), then 1 x 1
    convolutions of 192 filters and of one filter per class, then the mean over all pixels. The paper applies a ReLU
    after the last convolution too; here logits may be negative. Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        width: Filters of the first three convolutions; the later ones have twice as many.
        normalization: None as published, or "batch".
        input_dropout: Fraction of the image's values dropped.
        dropout: Fraction of values dropped after each convolution of stride 2.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; at least 9 x 9 pixels.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: an unknown normalization; a wrong `input_shape` (`InputError`).

    Reference: Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for Simplicity: The All Convolutional Net",
        2015, tables 1 and 2.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        width: int = 96,
        normalization: str | None = None,
        input_dropout: float = 0.2,
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        check_normalization(normalization)
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = image_input(input_shape, smallest=9)
        x = keras.layers.Dropout(input_dropout, dtype=policy, name="input_dropout")(pixels)
        for i, (filters, size, strides, padding) in enumerate(
            [
                (width, 3, 1, 1),
                (width, 3, 1, 1),
                (width, 3, 2, 1),
                (2 * width, 3, 1, 1),
                (2 * width, 3, 1, 1),
                (2 * width, 3, 2, 1),
                (2 * width, 3, 1, 0),
                (2 * width, 1, 1, 0),
            ],
            start=1,
        ):
            x = ConvNormAct2D(
                filters,
                size,
                strides=strides,
                padding=padding,
                normalization=normalization,
                kernel_initializer="he_normal",
                dtype=policy,
                name=f"convolution_{i}",
            )(x)
            if strides == 2:
                x = keras.layers.Dropout(dropout, dtype=policy, name=f"dropout_{i}")(x)
        x = keras.layers.Conv2D(classes, 1, dtype="float32", name="class_maps")(x)
        logits = keras.layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)
