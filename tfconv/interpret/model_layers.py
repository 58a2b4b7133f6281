"""The layers of a model by name, those inside other layers too."""

import difflib
from typing import Any

from tfconv.errors import InputError

__all__ = ["find_layer", "named_layers"]


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
