"""What each layer of a model sees of its input, as a table: output size, receptive field, jump, parameters."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfconv.errors import InputError
from tfconv.geometry_views import UNKNOWN, View, own_view, seen_by, union

__all__ = ["Explanation", "LayerGeometry", "explain"]


@dataclass(frozen=True)
class LayerGeometry:
    """One layer of a model. Sizes are along the axes of the picture (height, width) or text (steps).

    Attributes:
        name: Of the layer; "outer/inner" within a nested model.
        kind: Its class.
        output_shape: Without the batch; None where it is open.
        receptive_field: Input positions that one output depends on, counted with padding; None: the whole input.
        jump: Input positions from one output to the next; None where an output sees the whole input.
        start: Input position of the first that output 0 sees; below 0 in the padding.
        parameters: Numbers it learns or was given, without running statistics.
        known: Whether the layer's geometry could be told; its field and those after it are not to be relied on if not.
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
    """The layers of a model, first to last; printed, a table."""

    rows: tuple[LayerGeometry, ...]

    @property
    def parameters(self) -> int:
        """Numbers that the whole model learns or was given, without running statistics."""
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
    """Return "all", "7", or "7 x 5" where axes differ."""
    return "all" if sizes is None else " x ".join(str(size) for size in (sizes if len(set(sizes)) > 1 else sizes[:1]))


def explain(model: keras.Model) -> Explanation:
    """Return output size, receptive field, jump and parameters of every layer; see `tfconv.geometry.explain`."""
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
    """Append a row for each layer of a graph, whose inputs see `given`; return what its outputs see."""
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
    """Return a layer's row; weights that an earlier row has counted are not counted again."""
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
