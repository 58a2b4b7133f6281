"""Networks of `keras.applications` with a new head."""

import difflib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfconv.errors import InputError
from tfconv.models.image.blocks import InputShape, image_input

__all__ = ["from_application"]

# Mean and standard deviation of ImageNet's red, green and blue, on a scale from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def application(name: str) -> Callable[..., keras.Model]:
    """Return the function of `keras.applications` of this name."""
    known = {
        key: function
        for key, function in vars(keras.applications).items()
        if inspect.isfunction(function) and "include_top" in inspect.signature(function).parameters
    }
    if name in known:
        return known[name]
    folded = {key.lower(): key for key in known}
    near = [folded[key] for key in difflib.get_close_matches(str(name).lower(), folded, n=3, cutoff=0.4)]
    meant = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(sorted(known))}"
    raise InputError(f"keras.applications has no network {name!r}: {meant}")


def backbone(name: str, weights: str | None, input_shape: tuple[int | None, ...]) -> keras.Model:
    """Return a network without its head.

    Raises:
        InputError: an unknown network, a missing weights file, a failed download, or settings that Keras refuses.
    """
    function = application(name)
    if weights not in (None, "imagenet") and not Path(str(weights)).is_file():
        raise InputError(f"weights of {name} must be None, 'imagenet' or a weights file, and no file {weights} exists")
    try:
        return function(include_top=False, weights=weights, input_shape=input_shape, name="backbone")
    except ValueError as error:
        raise InputError(f"keras.applications.{name} refuses these settings: {error}") from error
    except Exception as error:  # Keras raises a bare Exception for a failed download
        if "URL fetch failure" not in str(error):
            raise
        raise InputError(
            f"the ImageNet weights of {name} could not be downloaded ({error}): give weights=PATH of a file without "
            "the head, or weights=None to start from random numbers"
        ) from error


def expected_inputs(pixels: Any, name: str, mean: Sequence[float], std: Sequence[float]) -> Any:
    """Return normalised pixels in the range, centre and colour order that a network was trained on.

    Every `preprocess_input` of Keras is linear in each colour, so its values for black and for the three pure colours
    determine it.
    """
    preprocess = sys.modules[application(name).__module__].preprocess_input
    black = preprocess(np.zeros((1, 1, 1, 3), "float32")).reshape(3).astype("float64")
    slope = (preprocess(255 * np.eye(3, dtype="float32").reshape(1, 3, 1, 3)).reshape(3, 3) - black) / 255
    if not np.any(np.diag(slope)[[0, 2]]):  # blue, green, red
        pixels = keras.ops.flip(pixels, axis=-1)
        slope, mean, std = slope[::-1], mean[::-1], std[::-1]
    scale = 255 * np.asarray(std) * np.diag(slope)
    offset = black + 255 * np.asarray(mean) * np.diag(slope)
    if np.allclose(scale, 1, atol=1e-4) and np.allclose(offset, 0, atol=1e-4):
        return pixels
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="expected_inputs")(pixels)


def from_application(
    name: str,
    classes: int = 10,
    *,
    weights: str | None = None,
    input_shape: InputShape = (224, 224, 3),
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    dropout: float = 0.0,
) -> keras.Model:
    """Return a network of `keras.applications` with a new head: global average pooling, dropout and logits.

    Each of these networks was trained on pixels of its own range (0 to 255, -1 to 1, blue before red), while the inputs
    of a tfconv model are (pixel / 255 - mean) / std. The first layers convert one to the other, so that a pretrained
    network gets the inputs it was trained on: exactly if `mean` and `std` are those of the data
    (`data.preprocess.mean`, `.std`), approximately with ImageNet's, the default, since most photographs have similar
    ones. The network is the layer "backbone": `model.get_layer("backbone").trainable = False` trains the head alone.
    All layers but the logits use Keras' global dtype policy.

    Args:
        name: Name of a function of `keras.applications`: "ResNet50", "EfficientNetB0", "MobileNetV3Small", ...
        classes: Number of logits: 1 for two classes, else one per class.
        weights: None (random), "imagenet" (downloaded by Keras into its cache) or the path of a `.weights.h5` file of
            the network without its head.
        input_shape: (height, width, 3).
        mean: Mean of each channel, on a scale from 0 to 1, that the inputs are normalised by.
        std: Standard deviation of each channel that the inputs are normalised by.
        dropout: Fraction of values dropped before the logits.

    Returns:
        A functional model: float32 (batch, height, width, 3) to float32 logits (batch, classes).

    Raises:
        InputError: an unknown name, a missing weights file, weights that cannot be downloaded, an `input_shape` that
            the network refuses or that has not three channels, `mean` or `std` of another length than three.
    """
    pixels = image_input(input_shape)
    if pixels.shape[-1] != 3 or len(mean) != 3 or len(std) != 3:
        raise InputError(
            "networks of keras.applications take images of 3 channels, with a mean and a std for each. "
            f"Received: input_shape={tuple(input_shape)}, mean={tuple(mean)}, std={tuple(std)}"
        )
    network = backbone(name, weights, pixels.shape[1:])
    x = network(expected_inputs(pixels, name, mean, std))
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name=name.lower())
