"""What a convolution has learned and what it sees: its filters as images, the maps it makes of an image."""

import difflib
import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tfconv.errors import InputError
from tfconv.evaluation.figures import plain_label
from tfconv.interpret.image_grid import Cell, grid_figure

__all__ = ["feature_maps_figure", "filters_figure", "find_layer", "named_layers"]


def named_layers(model: Any) -> dict[str, Any]:
    """Return every layer by its path, such as "block_1/first/conv", in the model's order, outer before inner.

    Args:
        model: a Keras model or layer.
    """
    found: dict[str, Any] = {}
    for layer in model._flatten_layers(include_self=False, recursive=False):
        found.setdefault(layer.name, layer)
        for path, inner in named_layers(layer).items():
            found.setdefault(f"{layer.name}/{path}", inner)
    return found


def find_layer(model: Any, name: str) -> Any:
    """Return the layer of that path, or the only one whose path ends in that name.

    Raises:
        InputError: there is none, or several; names those that are near.
    """
    layers = named_layers(model)
    if name in layers:
        return layers[name]
    inner = [path for path in layers if path.endswith(f"/{name}")]
    if len(inner) == 1:
        return layers[inner[0]]
    near = inner[:3] or difflib.get_close_matches(name, list(layers), 3, 0.5)
    what = "several layers" if inner else "no layer"
    guess = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(list(layers)[:8])}"
    raise InputError(f"the model has {what} called {name!r}: {guess}")


Floats = npt.NDArray[np.float32]

_CHANNELS = 16  # of one filter at most, where they are drawn side by side


def filters_figure(model: keras.Model, layer: str | None = None, *, count: int | None = None) -> Figure:
    """Draw filters as images, each scaled by its largest weight so that mid-grey is 0.

    Filters of 3 channels are drawn in colour and those of 1 in grey. Of other filters each is a row of grey images,
    one for each channel. The units of a dense layer on all pixels are drawn as the images they compare with.

    Args:
        model: any Keras model.
        layer: name of a layer, or its path ("block_1/first/conv"); a layer that holds others stands for the first
            convolution in it. Default: the first convolution of the model, else the dense layer on its pixels.
        count: filters at most: the first ones. Default: 64, or 16 where each is a row.

    Returns:
        A figure on white.

    Raises:
        InputError: no such layer, or no filters in it; `count` out of range.
    """
    name, kernel = _kernel(model, layer)
    height, width, channels, filters = kernel.shape
    in_rows = channels not in (1, 3)
    if count is None:
        count = 16 if in_rows else 64
    if not 1 <= count <= 400:
        raise InputError(f"count must be from 1 to 400 filters, got {count}")
    shown = min(filters, count)
    largest = np.abs(kernel).max(axis=(0, 1, 2), keepdims=True)
    scaled = 0.5 + kernel / (2 * np.where(largest > 0, largest, 1))
    title = f"{_of(shown, filters)} filters of “{plain_label(name, 60)}”, {height}×{width}×{channels}"
    note = "each scaled by its largest weight; mid-grey is 0"
    if not in_rows:
        cells = [Cell(scaled[..., i]) for i in range(shown)]
        return grid_figure(cells, title, note=note, image_width=0.62)
    beside = min(channels, _CHANNELS)
    cells = [Cell(_side_by_side(scaled[:, :, :beside, i]), frame=("white", 0)) for i in range(shown)]
    note = f"a filter a row, {_of(beside, channels)} channels beside each other; {note}"
    return grid_figure(cells, title, note=note, columns=1, image_width=beside * 0.43)


def feature_maps_figure(
    model: keras.Model, image: npt.ArrayLike, layer: str | None = None, *, preprocess: Any = None, count: int = 32
) -> Figure:
    """Draw what a layer makes of one image: a map for each channel, dark where it is lowest and bright where highest.

    Args:
        model: takes images (n, height, width, channels).
        image: (height, width, channels), as the model takes it, or, with `preprocess`, uint8 pixels, which are drawn
            beside the maps.
        layer: name of a layer, or its path, which may be inside another layer. Default: the first convolution.
        preprocess: an `ImagePreprocess`, or whatever has `normalize(pixels)`.
        count: maps at most: those of the first channels.

    Returns:
        A figure on white. Each map has a scale of its own, whose ends stand under it after the channel's number.

    Raises:
        InputError: no such layer, a layer that gives no maps, an image of another size than the model's, values that
            are not finite; `count` out of range.
    """
    if not 1 <= count <= 400:
        raise InputError(f"count must be from 1 to 400 maps, got {count}")
    pixels = np.asarray(image)
    inputs = pixels[None] if preprocess is None else np.asarray(preprocess.normalize(pixels[None]))
    wanted, given = model.input_shape[1:], inputs.shape[1:]
    if len(wanted) != len(given) or any(size not in (None, got) for size, got in zip(wanted, given, strict=True)):
        raise InputError(f"the model takes inputs of shape {wanted}, the image is {given}")
    name = layer or next(iter(_convolutions(model)), None)
    if name is None:
        raise InputError(f"the model {model.name!r} has no convolution: give the name of a layer that makes maps")
    outputs = _outputs(model, find_layer(model, name), inputs.astype(np.float32))
    if outputs.ndim != 4:
        raise InputError(f"layer {name!r} gives {outputs.shape[1:]}, which are no maps (height, width, channels)")
    height, width, channels = outputs.shape[1:]
    maps = outputs[0, ..., :count]
    if not np.isfinite(maps).all():
        raise InputError(f"layer {name!r} gives NaN or infinite values for this image")
    low, high = maps.min(axis=(0, 1)), maps.max(axis=(0, 1))
    scaled = (maps - low) / np.where(high > low, high - low, 1)
    ends = [f"{i}: {low[i]:.2g} to {high[i]:.2g}" for i in range(len(low))]
    cells = [Cell(scaled[..., i], (line,), colours="viridis") for i, line in enumerate(ends)]
    title = f"{_of(len(low), channels)} maps of “{plain_label(name, 60)}”, {height}×{width}"
    beside = Cell(pixels) if pixels.dtype == np.uint8 else None
    return grid_figure(cells, title, columns=min(len(cells), 8), image_width=1.0, beside=beside)


def _of(some: int, every: int) -> str:
    return f"{some} of {every}" if some < every else f"{every}"


def _convolutions(model: keras.Model) -> list[str]:
    """Return the paths of the layers, not models, that have filters."""
    return [path for path, one in named_layers(model).items() if _kernels(one) and not isinstance(one, keras.Model)]


def _kernel(model: keras.Model, layer: str | None) -> tuple[str, Floats]:
    """Return the path and the weights (height, width, channels, filters) of what to draw."""
    where = model if layer is None else find_layer(model, layer)
    kernels = _kernels(where)
    shape = model.input_shape[1:] if isinstance(model.input_shape, tuple) else ()
    if not kernels and len(shape) == 3 and None not in shape:
        pixels = math.prod(shape)
        kernels = [w for w in where.weights if len(w.shape) == 2 and w.shape[0] == pixels]
    if not kernels:
        having = _convolutions(model)
        hint = f"take one of {', '.join(having[:8])}" if having else "the model has none anywhere"
        raise InputError(f"{f'layer {layer!r}' if layer else f'the model {model.name!r}'} has no 2-D filters: {hint}")
    values = np.asarray(keras.ops.convert_to_numpy(kernels[0]), np.float32)
    return kernels[0].path.rpartition("/")[0], values if values.ndim == 4 else values.reshape(*shape, -1)


def _kernels(layer: Any) -> list[Any]:
    return [weight for weight in layer.weights if len(weight.shape) == 4]


def _side_by_side(channels: Floats) -> Floats:
    """Return (height, width, channels) as one image with gaps of NaN, which are drawn white."""
    height, width, _ = channels.shape
    gap = max(1, width // 4)
    padded = np.pad(channels, [(0, 0), (0, gap), (0, 0)], constant_values=np.nan)
    return padded.transpose(0, 2, 1).reshape(height, -1)[:, :-gap]


def _outputs(model: keras.Model, layer: Any, inputs: Floats) -> Floats:
    """Return what a layer gave when the model was called; a model to that layer cannot be made inside other layers."""
    kept: list[Any] = []
    call = layer.call

    def keeping(*args: Any, **kwargs: Any) -> Any:
        kept.append(call(*args, **kwargs))
        return kept[-1]

    vars(layer)["call"] = keeping
    try:
        model(inputs, training=False)
    finally:
        del vars(layer)["call"]
    if not kept:
        raise InputError(f"layer {layer.name!r} is not called when the model answers")
    return np.asarray(keras.ops.convert_to_numpy(kept[0]), np.float32)
