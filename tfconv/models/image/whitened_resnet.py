"""A small, fast network for CIFAR-10, after airbench and DAWNBench."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.initializers import Dirac
from tfconv.layers.normalization import BatchNorm
from tfconv.layers.pooling import ConcatPooling2D
from tfconv.layers.whitening import WhiteningConv2D
from tfconv.models.image.blocks import InputShape, image_input

__all__ = ["WhitenedResNet", "airbench94"]


def airbench94(**overrides: Any) -> "WhitenedResNet":
    """Return the `WhitenedResNet` that reaches 94 % accuracy on CIFAR-10 in ten epochs.

    Widths 64, 256 and 256, no shortcuts; 1.97 M parameters, 118 M multiplications per image. (Jordan 2024, section 3.)

    Args:
        **overrides: `WhitenedResNet` arguments that replace these.
    """
    return WhitenedResNet(**{"widths": (64, 256, 256), "residual": False, "activation": "gelu", **overrides})


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class WhitenedResNet(keras.Model):
    """Residual network for CIFAR-10 whose first convolution whitens the image's patches. Call `adapt` before training.

    Each stage is a 3 x 3 convolution, 2 x 2 max pooling, normalisation and activation, then a second convolution,
    normalisation and activation, with a shortcut around the second where `residual`. Pooling comes first, so that the
    rest of the stage processes a quarter of the pixels. After the stages come global pooling and the logits, which are
    multiplied by `head_scale`.

    Convolutions are initialised by `Dirac`. The batch normalisation has no gamma, and an epsilon of 1e-3: the published
    1e-12 amplifies rounding errors up to a million times in channels that hardly vary, such as those of grey images,
    and makes no difference on CIFAR-10, whose variances are at least 0.2.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of each stage.
        residual: Whether each stage's second convolution has a shortcut around it.
        activation: Name of a Keras activation. "gelu", as in the reference, makes training 1.5 times slower on a CPU.
        pooling: Global pooling after the stages: "max", or "concat" for the mean and the maximum.
        momentum: Momentum of the batch normalisation's moving averages.
        head_scale: Factor that the logits are multiplied by.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: an unknown pooling; no widths; an `input_shape` that is too small for the stages (`InputError`).

    Reference: Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (whitening, Dirac, order, head); Page,
        "How to Train Your ResNet", 2018 (the residual layers).
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        widths: Sequence[int] = (64, 128, 128),
        residual: bool = True,
        activation: str = "relu",
        pooling: str = "max",
        momentum: float = 0.6,
        head_scale: float = 1 / 9,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if pooling not in ("max", "concat"):
            raise ValueError(f"pooling must be 'max' or 'concat'. Received: pooling={pooling!r}")
        if not widths:
            raise ValueError(f"widths must have at least one number. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = image_input(input_shape, smallest=2 ** len(widths) + 1)

        def normalized(x: Any, label: str) -> Any:
            x = BatchNorm(momentum=momentum, scale=False, dtype=policy, name=f"norm_{label}")(x)
            return keras.layers.Activation(activation, dtype=policy, name=f"activation_{label}")(x)

        def convolution(x: Any, filters: int, label: str) -> Any:
            return keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer=Dirac(),
                dtype=policy,
                name=f"convolution_{label}",
            )(x)

        x = WhiteningConv2D(dtype=policy, name="whitening")(pixels)
        x = keras.layers.Activation(activation, dtype=policy, name="activation_whitening")(x)
        for i, width in enumerate(widths, start=1):
            x = convolution(x, width, f"{i}a")
            x = keras.layers.MaxPooling2D(2, dtype=policy, name=f"pooling_{i}")(x)
            x = normalized(x, f"{i}a")
            y = normalized(convolution(x, width, f"{i}b"), f"{i}b")
            x = keras.layers.Add(dtype=policy, name=f"shortcut_{i}")([x, y]) if residual else y
        last = ConcatPooling2D if pooling == "concat" else keras.layers.GlobalMaxPooling2D
        x = last(dtype=policy, name="pooling")(x)
        x = keras.layers.Dense(
            classes,
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform"),
            dtype="float32",
            name="logits",
        )(x)
        logits = keras.layers.Rescaling(head_scale, dtype="float32", name="scaled_logits")(x)
        super().__init__(pixels, logits, name=name)

    def adapt(self, images: Any) -> None:
        """Compute the whitening kernel from training images.

        Args:
            images: Float (n, height, width, channels), normalised as in training; a few thousand are enough.
        """
        self.get_layer("whitening").adapt(images)
