"""A model as boxes and arrows, drawn by Graphviz."""

import html
import shutil
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError
from tfconv.files import atomic_path

if TYPE_CHECKING:
    import keras

__all__ = ["model_diagram"]

_ENDINGS = (".png", ".svg", ".pdf", ".jpg", ".jpeg")
_EXPANDED = 80  # operations up to which models inside the model are drawn with their layers


def model_diagram(model: "keras.Model", path: str | Path) -> Path:
    """Write a model's graph, a box for each layer with its kind, the shape of its output and its parameters.

    The graph is that of `keras.utils.plot_model`, in less room: boxes of two lines, operations that only make masks
    left out, and a model inside the model (a backbone of `keras.applications`) as one box where all its layers would
    not fit a page. A layer that holds layers, such as a residual block, is one box.

    Args:
        model: functional, which all of `tfconv.models` are, or sequential; another one is a single box.
        path: of the file; its ending is one of .png, .svg, .pdf, .jpg. A file of that name is replaced.

    Returns:
        The path.

    Raises:
        InputError: Graphviz's `dot` or pydot is missing, the model has no graph yet, or another ending.
    """
    path = Path(path)
    check_diagram(path)
    import keras

    if not model.built:
        raise InputError(f"the model {model.name!r} is not built: call it once on a batch, then it has a graph")
    operations = _operations(model)
    expand = len(operations) <= _EXPANDED
    graph = keras.utils.model_to_dot(model, expand_nested=expand, dpi=110)
    graph.set("ranksep", "0.22")
    graph.set("nodesep", "0.3")
    graph.set("size", "24,40")  # inches: a longer one is shrunk
    boxes = {str(id(operation)): operation for operation in (model, *operations)}
    _relabel(graph, boxes, _mask_makers(operations))
    with atomic_path(path) as temporary:
        graph.write(str(temporary), format=path.suffix[1:].lower())
    return path


def check_diagram(path: Path) -> None:
    """Refuse what no diagram can be written into, or with; imports no TensorFlow.

    Raises:
        InputError: another ending, or Graphviz's `dot` or pydot is missing.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"{path}: a diagram can be written as {', '.join(_ENDINGS)}")
    try:
        import pydot  # noqa: F401  Keras asks for it too, and says it less clearly
    except ImportError:
        raise InputError("a diagram of a model needs pydot: pip install pydot") from None
    if shutil.which("dot") is None:
        raise InputError("a diagram of a model needs Graphviz's `dot`, not installed: apt-get install graphviz")


def _operations(model: Any) -> list[Any]:
    """Return what a model's graph is made of, models inside it followed by theirs."""
    import keras

    found = []
    for operation in getattr(model, "operations", getattr(model, "layers", [])):
        found += [operation, *(_operations(operation) if isinstance(operation, keras.Model) else [])]
    return found


def _mask_makers(operations: list[Any]) -> set[str]:
    """Return the ids of operations, not layers, whose outputs are of use to nothing but masks."""
    import keras

    users = defaultdict(list)
    for operation in operations:
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                users[id(tensor._keras_history.operation)].append(str(id(operation)))
    found: set[str] = set()
    for operation in reversed(operations):
        if isinstance(operation, keras.Layer):
            continue
        own = users[id(operation)]
        if operation.output.dtype == "bool" or (own and found.issuperset(own)):
            found.add(str(id(operation)))
    return found


def _relabel(graph: Any, boxes: dict[str, Any], left_out: set[str]) -> None:
    """Give each box its two lines; take out those left out, with their arrows."""
    for part in graph.get_subgraph_list():
        part.set("fontname", "Helvetica")
        part.set("fontsize", "11")
        _relabel(part, boxes, left_out)
    for node in graph.get_node_list():
        name = node.get_name().strip('"')
        if name in left_out:
            graph.del_node(node)
        elif name in boxes:
            node.set("label", _label(boxes[name]))
            node.set("shape", "box")
            node.set("style", "filled")
            node.set("fillcolor", "white")
            node.set("margin", "0.1,0.04")
            node.set("height", "0.1")
    for edge in graph.get_edge_list():
        if {edge.get_source().strip('"'), edge.get_destination().strip('"')} & left_out:
            graph.del_edge(edge.get_source(), edge.get_destination())
        else:
            edge.set("penwidth", "1")
            edge.set("arrowsize", "0.6")


def _label(operation: Any) -> str:
    """Return name and kind, and under them shape and parameters, in Graphviz's HTML."""
    import keras

    kind = type(operation).__name__
    title = f"<b>{html.escape(operation.name)}</b>  {html.escape(kind)}"
    try:
        shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(operation.output)]
    except (AttributeError, ValueError):  # a subclassed model, or a layer with no single output
        shapes = []
    facts = [" and ".join("×".join("?" if size is None else str(size) for size in shape) or "1" for shape in shapes)]
    if isinstance(operation, keras.Layer) and operation.count_params():
        facts.append(f"{operation.count_params():,} parameters")
    second = " · ".join(fact for fact in facts if fact)
    small = f'<br/><font point-size="10" color="#404040">{second}</font>' if second else ""
    return f'<<font point-size="12">{title}</font>{small}>'
