"""Table of a model's layers: output size, receptive field, jump and parameters."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfconv import layers
from tfconv.errors import InputError
from tfconv.geometry.arithmetic import output_size
from tfconv.layers.conv import ConvNormAct
from tfconv.layers.residual import ResidualBlock

__all__ = ["Explanation", "LayerGeometry", "explain"]

POINTWISE = (
    *(keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU),
    *(keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.GaussianNoise),
    *(keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.Softmax, keras.layers.Rescaling),
    *(keras.layers.Dense, keras.layers.Embedding, keras.layers.Masking, keras.layers.Normalization),
    *(keras.layers.Add, keras.layers.Subtract, keras.layers.Multiply, keras.layers.Average, keras.layers.Maximum),
    *(keras.layers.Concatenate, keras.layers.Identity, layers.ResponseNormalization, layers.FixedLength),
    layers.OneHotTokens,
)
WHOLE = (
    *(keras.layers.Flatten, keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D),
    *(keras.layers.GlobalMaxPooling1D, keras.layers.GlobalMaxPooling2D, layers.KMaxPooling1D, layers.DistinctTokens),
)


@dataclass(frozen=True)
class View:
    """The inputs that an output depends on, along each axis: t jump + first to t jump + last for position t."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    jump: tuple[int, ...]

    def through(self, before: Sequence[int], spans: Sequence[int], strides: Sequence[int]) -> "View":
        """Return the view after a layer whose window t starts at position t strides - before."""
        steps = zip(self.first, self.jump, before, strict=True)
        ends = zip(self.last, self.jump, before, spans, strict=True)
        return View(
            tuple(first - b * jump for first, jump, b in steps),
            tuple(last + (span - 1 - b) * jump for last, jump, b, span in ends),
            tuple(jump * stride for jump, stride in zip(self.jump, strides, strict=True)),
        )


# A view of None: an output depends on the whole input. UNKNOWN: on which inputs is unknown.
UNKNOWN = View((), (), ())


def hull(views: Sequence[View]) -> View:
    """Return the view of a position that depends on the same position of several tensors."""
    return View(
        tuple(map(min, zip(*(view.first for view in views), strict=True))),
        tuple(map(max, zip(*(view.last for view in views), strict=True))),
        tuple(map(max, zip(*(view.jump for view in views), strict=True))),  # of an image of 1 x 1, any jump is right
    )


def union(views: Sequence[View | None]) -> View | None:
    """Return the hull of several tensors' views, of which any may be None or UNKNOWN."""
    known = [view for view in views if view is not None]
    if UNKNOWN in known:
        return UNKNOWN
    return hull(known) if len(known) == len(views) else None


def each(value: Any, axes: int) -> tuple[int, ...]:
    """Return one number for each axis."""
    return (value,) * axes if isinstance(value, int) else tuple(value)


def windows(layer: Any, view: View, shape: tuple[Any, ...], padding: Any, size: Any) -> View:
    """Return the view after a convolution or pooling layer, whose `padding` is a name of Keras' or a number."""
    axes = len(view.jump)
    strides = each(layer.strides or size, axes)
    dilations = each(getattr(layer, "dilation_rate", 1), axes)
    before, spans = [], []
    for count, number, stride, dilation in zip(shape[1 : 1 + axes], each(size, axes), strides, dilations, strict=True):
        span = (number - 1) * dilation + 1
        last = 0 if count is None else ((output_size(count, 1, strides=stride, padding="same") or 1) - 1) * stride
        same = max(span - stride if count is None else last + span - count, 0) // 2
        before.append({"same": same, "valid": 0, "causal": span - 1}.get(padding, padding))
        spans.append(span)
    return view.through(before, spans, strides)


def seen_through(layer: Any, view: View, shape: tuple[Any, ...]) -> View:
    """Return the view of a layer's output, where its input, of this shape, has the given view."""
    if isinstance(layer, ConvNormAct):
        centred = isinstance(layer, layers.ConvNormAct1D) and layer.padding == "same"
        padding = (layer.conv.kernel_size[0] - 1) * layer.conv.dilation_rate[0] // 2 if centred else layer.padding
        return windows(layer.conv, view, shape, padding, layer.conv.kernel_size)
    if isinstance(layer, ResidualBlock):
        inside, at = view, shape
        for part in layer.branch:
            inside, at = seen_through(part, inside, at), part.compute_output_shape(at)
        axes = len(view.jump)
        return hull([inside, view.through((0,) * axes, (1,) * axes, each(layer.strides, axes))])
    if isinstance(layer, layers.DilatedConv1DStack):
        for part in layer.convolutions:
            view = seen_through(part, view, shape)
        return view
    if isinstance(layer, keras.layers.ZeroPadding1D | keras.layers.ZeroPadding2D):
        sides = [layer.padding] if isinstance(layer, keras.layers.ZeroPadding1D) else layer.padding
        ones = (1,) * len(view.jump)
        return view.through([before for before, _ in sides], ones, ones)
    if isinstance(layer, layers.WhiteningConv2D):
        return view.through((0, 0), each(layer.kernel_size, 2), (1, 1))
    if isinstance(layer, layers.MaskedMaxPooling1D):
        return windows(layer, view, shape, "valid", layer.pool_size)
    if isinstance(layer, POINTWISE):
        return view
    if "Transpose" not in type(layer).__name__:
        for size in ("kernel_size", "pool_size"):
            if hasattr(layer, size) and hasattr(layer, "strides") and hasattr(layer, "padding"):
                return windows(layer, view, shape, layer.padding, getattr(layer, size))
    return UNKNOWN


def own_view(shape: tuple[int | None, ...]) -> View:
    """Return the view of a model's input: each position itself. The last axis holds channels, except of token ids."""
    axes = max(len(shape) - 2, 1)
    return View((0,) * axes, (0,) * axes, (1,) * axes)


def seen_by(layer: Any, view: View | None, before: tuple[Any, ...], after: tuple[Any, ...]) -> View | None:
    """Return the view of a layer's output of shape `after`, where its input, of shape `before`, has the given view."""
    token_ids = len(before) == 2 and isinstance(layer, layers.FixedLength)
    operation = not isinstance(layer, keras.layers.Layer)  # such as the comparison that makes a mask
    if isinstance(layer, WHOLE) or (len(after) == 2 and not token_ids and not operation):
        return None
    if view is None or view == UNKNOWN:
        return view
    if operation:
        axes = len(view.jump)
        return view if before[1 : 1 + axes] == after[1 : 1 + axes] else UNKNOWN
    return seen_through(layer, view, before)


@dataclass(frozen=True)
class LayerGeometry:
    """One layer of a model, with sizes along the axes of an image (height, width) or a text (steps).

    Attributes:
        name: Name of the layer; "outer/inner" within a nested model.
        kind: Class of the layer.
        output_shape: Output shape without the batch; None for an unknown size.
        receptive_field: Input positions that one output depends on, including padding; None: the whole input.
        jump: Input positions from one output to the next; None if an output depends on the whole input.
        start: First input position that output 0 depends on; below 0 in the padding.
        parameters: Number of parameters, without moving averages.
        known: Whether the layer's geometry is known; if not, it and that of the layers after it have no meaning.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    receptive_field: tuple[int, ...] | None
    jump: tuple[int, ...] | None
    start: tuple[int, ...] | None
    parameters: int
    known: bool


@dataclass(frozen=True)
class Explanation:
    """The layers of a model, first to last; `print` shows them as a table."""

    rows: tuple[LayerGeometry, ...]

    @property
    def parameters(self) -> int:
        """Number of parameters of the whole model, without moving averages."""
        return sum(row.parameters for row in self.rows)

    def __iter__(self) -> Iterator[LayerGeometry]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        lines = [("layer", "kind", "output", "receptive field", "jump", "parameters")]
        for row in self.rows:
            field, jump = ("?", "?") if not row.known else (_size(row.receptive_field), _size(row.jump))
            output = " x ".join("?" if size is None else str(size) for size in row.output_shape)
            lines.append((row.name, row.kind, output, field, jump, f"{row.parameters:,}"))
        lines.append(("total", "", "", "", "", f"{self.parameters:,}"))
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def _size(sizes: tuple[int, ...] | None) -> str:
    """Return "all", "7", or "7 x 5" if axes differ."""
    return "all" if sizes is None else " x ".join(str(size) for size in (sizes if len(set(sizes)) > 1 else sizes[:1]))


def explain(model: keras.Model) -> Explanation:
    """Return the output size, receptive field, jump and parameters of each layer of an image or text model.

    Where branches meet, the receptive field covers those of all branches. It includes the padding. After a flattening
    or global pooling it is the whole input, shown as "all". From a layer of unknown geometry on it is shown as "?".

    Args:
        model: A functional or Sequential model that is built; the layers of nested models are listed too.

    Returns:
        A table to print or to iterate over; its rows have the attributes `name`, `kind`, `output_shape`,
        `receptive_field`, `jump`, `start`, `parameters` and `known`.

    Raises:
        InputError: a model without a graph.
    """
    if not model.built or not getattr(model, "outputs", None):
        raise InputError(
            f"model {model.name!r} has no graph to explain: give a functional or Sequential model that is built"
        )
    rows: list[LayerGeometry] = []
    given = [own_view(tensor.shape) for tensor in model.inputs]
    _walk(model, given, "", rows, set())
    return Explanation(tuple(rows))


def _walk(
    model: Any, given: Sequence[View | None], prefix: str, rows: list[LayerGeometry], counted: set[int]
) -> list[View | None]:
    """Append a row for each layer of a graph whose inputs have the views `given`; return the views of its outputs."""
    graph = model if hasattr(model, "_nodes_by_depth") else keras.Model(model.inputs, model.outputs)
    views = {id(tensor): view for tensor, view in zip(graph.inputs, given, strict=True)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            layer, tensors = node.operation, node.input_tensors
            if isinstance(layer, keras.layers.InputLayer):
                continue
            if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
                seen = _walk(layer, [views[id(tensor)] for tensor in tensors], f"{prefix}{layer.name}/", rows, counted)
                views.update(zip((id(tensor) for tensor in node.outputs), seen, strict=True))
                continue
            view = union([views[id(tensor)] for tensor in tensors])
            before, shape = tuple(tensors[0].shape), tuple(node.outputs[0].shape)
            view = seen_by(layer, view, before, shape)
            views.update((id(tensor), view) for tensor in node.outputs)
            if isinstance(layer, keras.layers.Layer):
                rows.append(_row(layer, prefix, shape, view, counted))
    return [views[id(tensor)] for tensor in graph.outputs]


def _row(layer: Any, prefix: str, shape: tuple[Any, ...], view: View | None, counted: set[int]) -> LayerGeometry:
    """Return a layer's row; weights that are shared with an earlier row are not counted again."""
    weights = [w for w in layer.weights if id(w) not in counted and not w.name.startswith("moving_")]
    counted.update(id(weight) for weight in weights)
    known = view != UNKNOWN
    field = jump = start = None
    if view is not None and known:
        field = tuple(last - first + 1 for first, last in zip(view.first, view.last, strict=True))
        jump, start = view.jump, view.first
    return LayerGeometry(
        name=prefix + layer.name,
        kind=type(layer).__name__,
        output_shape=shape[1:],
        receptive_field=field,
        jump=jump,
        start=start,
        parameters=sum(math.prod(weight.shape) for weight in weights),
        known=known,
    )
