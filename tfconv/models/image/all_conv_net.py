"""A network of convolutions and nothing else."""

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.parts import InputShape, check_normalization, picture_input

__all__ = ["AllConvNet"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class AllConvNet(keras.Model):
    """Nine convolutions, of stride 2 where others pool, the last to the classes; mean over places: 1.37 M parameters.

    All-CNN-C: 3 x 3 convolutions of 96, 96, 96 (stride 2), 192, 192, 192 (stride 2) and 192 channels (not padded), then
    1 x 1 ones of 192 and of the classes. The paper puts a ReLU after the last one too; here logits may be negative.
    Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        width: Channels of the first stage; later ones have twice as many.
        normalization: None as published, or "batch".
        input_dropout: Share of the picture's numbers dropped.
        dropout: Share of numbers dropped after each convolution of stride 2.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; 9 pixels at least.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: another normalization; another input shape (`InputError`).

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
        pixels = picture_input(input_shape, smallest=9)
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
