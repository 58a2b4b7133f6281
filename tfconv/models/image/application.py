"""Backbones of `keras.applications` under a new head."""

import difflib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfconv.errors import InputError
from tfconv.models.image.parts import InputShape, picture_input

__all__ = ["from_application"]

# Of the photographs of ImageNet, colours from 0 to 1.
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
    """Return a network without its head, or one clear line about why it cannot be had."""
    function = application(name)
    if weights not in (None, "imagenet") and not Path(str(weights)).is_file():
        raise InputError(
            f"weights of {name} must be None, 'imagenet' or a weights file, and there is no file {weights}"
        )
    try:
        return function(include_top=False, weights=weights, input_shape=input_shape, name="backbone")
    except ValueError as error:
        raise InputError(f"keras.applications.{name} refuses these settings: {error}") from error
    except Exception as error:  # what Keras' own download raises has no type of its own
        if "URL fetch failure" not in str(error):
            raise
        raise InputError(
            f"the ImageNet weights of {name} could not be downloaded ({error}): give weights=PATH of a file without "
            "the head, or weights=None to start from random numbers"
        ) from error


def expected_inputs(pixels: Any, name: str, mean: Sequence[float], std: Sequence[float]) -> Any:
    """Return normalised pixels in the form that a network was trained on: its range, centre and order of colours.

    Every `preprocess_input` of Keras is linear in each colour, so three pixels and a black one tell it.
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
    """Return a network of `keras.applications` with a new head: mean over places, dropout, logits.

    The networks were trained on pixels in ranges of their own (0 to 255, -1 to 1, blue before red), while the inputs
    of a tfconv model are (pixel / 255 - mean) / std. The first layers map the one to the other, so that a pretrained
    network sees what it was trained on: exactly where `mean` and `std` are those of the data
    (`data.preprocess.mean`, `.std`), nearly so with the default, ImageNet's, as most photographs have much the same.
    The network is the layer "backbone": `model.get_layer("backbone").trainable = False` trains the head alone. The
    precision is Keras' global dtype policy, but for the logits.

    Args:
        name: A function of `keras.applications`: "ResNet50", "EfficientNetB0", "MobileNetV3Small", ...
        classes: Logits for each picture.
        weights: None (random), "imagenet" (downloaded by Keras into its cache) or the path of a `.weights.h5` file of
            the network without its head.
        input_shape: (height, width, 3).
        mean: Of each channel, 0 to 1, by which inputs were normalised.
        std: Of each channel, by which inputs were normalised.
        dropout: Share of numbers dropped before the logits.

    Returns:
        A functional model: float32 (batch, height, width, 3) to float32 logits (batch, classes).

    Raises:
        InputError: an unknown name, a file that is not there, weights that cannot be downloaded, an input shape that
            the network refuses or that has not three channels, `mean` or `std` of another length.
    """
    pixels = picture_input(input_shape)
    if pixels.shape[-1] != 3 or len(mean) != 3 or len(std) != 3:
        raise InputError(
            "networks of keras.applications take pictures of 3 channels, with a mean and a std for each. "
            f"Received: input_shape={tuple(input_shape)}, mean={tuple(mean)}, std={tuple(std)}"
        )
    network = backbone(name, weights, pixels.shape[1:])
    x = network(expected_inputs(pixels, name, mean, std))
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name=name.lower())
